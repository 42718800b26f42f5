import { BackgroundMethodError, InvalidOptionError } from '../errors/misuse.errors.js';
import { describe } from '../options/checks.js';
import type { KeyOf, TaskSettings } from '../task/task-options.js';
import type { TaskKeys } from '../task/task.js';

/**
 * What a call's own arguments say about it.
 *
 * @throws BackgroundMethodError where a batched method was not called with one array
 * @throws InvalidOptionError where a function for a key gave none
 */
export function keysOf(
  { dedupe, concurrencyKey, batch, queue }: TaskSettings,
  name: string,
  args: readonly unknown[],
): TaskKeys | undefined {
  if (batch !== undefined && (args.length !== 1 || !Array.isArray(args[0]))) {
    throw new BackgroundMethodError(name, 'with `batch` it takes exactly one array.');
  }
  if (dedupe === undefined && concurrencyKey === undefined) {
    return undefined;
  }
  return {
    // Names and keys may hold any character: put together with a separator, two could look alike.
    dedupe: dedupe && JSON.stringify([queue, name, keyOf('dedupe.key', dedupe.key, args)]),
    concurrency: concurrencyKey && keyOf('concurrencyKey', concurrencyKey, args),
  };
}

/** @throws InvalidOptionError where the function gave no key: all calls would have the same one */
function keyOf(option: string, key: KeyOf, args: readonly unknown[]): string {
  if (typeof key === 'string') {
    return key;
  }
  const made: unknown = key(...(args as never[]));
  if (made instanceof Promise) {
    made.catch(() => undefined); // its rejection would end the process
  }
  if (typeof made !== 'string' || made === '') {
    throw new InvalidOptionError(
      option,
      `the function returned ${describe(made)}; expected a non-empty string.`,
    );
  }
  return made;
}
