import { BackgroundMethodError, InvalidOptionError } from '../errors/misuse.errors.js';
import { describe } from '../options/checks.js';
import type { KeyOf, TaskSettings } from '../task/task-options.js';
import type { TaskKeys } from '../task/task.js';

/**
 * Computes the keys of a call from its arguments.
 *
 * @throws BackgroundMethodError if a batched method was not called with one array
 * @throws InvalidOptionError if a key function returned no key
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
    // JSON, because names and keys may contain any separator: two could look alike.
    dedupe: dedupe && JSON.stringify([queue, name, keyOf('dedupe.key', dedupe.key, args)]),
    concurrency: concurrencyKey && keyOf('concurrencyKey', concurrencyKey, args),
  };
}

/** @throws InvalidOptionError if the function returned no key: all calls would share one */
function keyOf(option: string, key: KeyOf, args: readonly unknown[]): string {
  if (typeof key === 'string') {
    return key;
  }
  const made: unknown = key(...(args as never[]));
  if (made instanceof Promise) {
    made.catch(() => undefined); // a rejection would end the process
  }
  if (typeof made !== 'string' || made === '') {
    throw new InvalidOptionError(
      option,
      `the function returned ${describe(made)}; expected a non-empty string.`,
    );
  }
  return made;
}
