import { NotStorableError } from '../errors/storage.errors.js';
import { problemAt } from '../task/json-value.js';
import type { StoredCall, TaskStorage } from '../task/stored-call.js';
import type { TaskOptions } from '../task/task-options.js';

/**
 * Serialises a call.
 *
 * @throws NotStorableError with the path of the value that cannot be stored
 */
export function storeCall(
  { serializer, maxArgsBytes }: TaskStorage,
  name: string,
  queue: string,
  args: readonly unknown[],
  options: TaskOptions | undefined,
  captured: Pick<StoredCall, 'carried' | 'alsoCarried'>,
): StoredCall {
  const given = args.at(-1) === undefined ? withoutEnd(args) : args;
  const unfit = problemAt('options', options);
  const problem =
    // Only functions can get here: other invalid options were refused before.
    (unfit && `${unfit}; functions belong on @Background()`) ??
    problemAt('carry.capture()', captured.carried) ??
    problemAt('carried', captured.alsoCarried) ??
    (serializer === undefined ? problemAt('args', given) : undefined);
  if (problem !== undefined) {
    throw new NotStorableError(name, queue, `${problem}.`);
  }
  const text = serializer === undefined ? JSON.stringify(given) : serializer.serialize(given);
  // A UTF-16 code unit takes at most 3 bytes in UTF-8.
  const bytes = text.length * 3 > maxArgsBytes ? Buffer.byteLength(text) : 0;
  if (bytes > maxArgsBytes) {
    throw new NotStorableError(
      name,
      queue,
      `its arguments take ${bytes} bytes, and ${maxArgsBytes} are allowed. Store the data elsewhere ` +
        'and pass its id.',
    );
  }
  return {
    args: text,
    options: copyOf(options),
    carried: copyOf(captured.carried),
    alsoCarried: copyOf(captured.alsoCarried),
  };
}

/** Copies the value: it is written later, and its owner may change it until then. */
function copyOf<T>(value: T): T {
  return typeof value === 'object' ? (JSON.parse(JSON.stringify(value)) as T) : value;
}

/** Drops trailing `undefined` arguments: a call without them means the same. */
function withoutEnd(args: readonly unknown[]): readonly unknown[] {
  return args.slice(0, args.findLastIndex((arg) => arg !== undefined) + 1);
}
