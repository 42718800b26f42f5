import { NotStorableError } from '../errors/storage.errors.js';
import { isPlainObject } from '../options/checks.js';
import type { StoredCall, TaskStorage } from '../task/stored-call.js';
import type { TaskOptions } from '../task/task-options.js';

/**
 * Writes a call down.
 *
 * @throws NotStorableError with the path of what cannot be written
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
    // All else was refused before.
    (unfit && `${unfit}; what computes belongs on @Background()`) ??
    problemAt('carry.capture()', captured.carried) ??
    problemAt('carried', captured.alsoCarried) ??
    (serializer === undefined ? problemAt('args', given) : undefined);
  if (problem !== undefined) {
    throw new NotStorableError(name, queue, `${problem}.`);
  }
  const text = serializer === undefined ? JSON.stringify(given) : serializer.serialize(given);
  // No character takes more than three.
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

/** It is written later, and its owner may have gone on with it by then: with what cannot be written, too. */
function copyOf<T>(value: T): T {
  return typeof value === 'object' ? (JSON.parse(JSON.stringify(value)) as T) : value;
}

/** Without what is `undefined` at the end: a call that leaves it out means the same. */
function withoutEnd(args: readonly unknown[]): readonly unknown[] {
  return args.slice(0, args.findLastIndex((arg) => arg !== undefined) + 1);
}

function problemAt(path: string, value: unknown): string | undefined {
  const problem = value === undefined ? undefined : problemOf(value, undefined);
  return problem === undefined ? undefined : `${path}${problem}`;
}

/**
 * What JSON would lose or change in `value`, and where, from there on; `undefined` where nothing. Most
 * values have no problem: nothing is made for those.
 */
function problemOf(value: unknown, above: readonly object[] | undefined): string | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : ` is ${value}`;
    case 'undefined':
      return ' is undefined';
    case 'object':
      return value === null ? undefined : problemOfObject(value, above);
    default:
      return ` is a ${typeof value}`;
  }
}

function problemOfObject(value: object, above: readonly object[] = []): string | undefined {
  if (above.includes(value)) {
    return ' refers back to what contains it';
  }
  if (Array.isArray(value)) {
    return problemOfItems(value, above);
  }
  if (!isPlainObject(value)) {
    return ` is a ${value.constructor?.name ?? 'class instance'}`;
  }
  const inside = [...above, value];
  for (const key of Object.keys(value)) {
    const entry = value[key];
    const problem = entry === undefined ? undefined : problemOf(entry, inside);
    if (problem !== undefined) {
      return `.${key}${problem}`;
    }
  }
  return undefined;
}

function problemOfItems(items: readonly unknown[], above: readonly object[]): string | undefined {
  const inside = [...above, items];
  for (let index = 0; index < items.length; index += 1) {
    const problem = problemOf(items[index], inside);
    if (problem !== undefined) {
      return `[${index}]${problem}`;
    }
  }
  return undefined;
}
