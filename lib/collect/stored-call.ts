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
  const refuse = (problem: string): never => {
    throw new NotStorableError(name, queue, problem);
  };
  const given = args.slice(0, args.findLastIndex((arg) => arg !== undefined) + 1);
  const problem =
    problemOf(options ?? {}, 'options') ??
    problemOf(captured.carried, 'carry.capture()') ??
    problemOf(captured.alsoCarried, 'carried') ??
    (serializer === undefined ? problemOf(given, 'args') : undefined);
  if (problem !== undefined) {
    return refuse(`${problem}.`);
  }
  const text = serializer === undefined ? JSON.stringify(given) : serializer.serialize(given);
  const bytes = Buffer.byteLength(text);
  if (bytes > maxArgsBytes) {
    return refuse(
      `its arguments take ${bytes} bytes, and ${maxArgsBytes} are allowed. Store the data elsewhere ` +
        'and pass its id.',
    );
  }
  return { args: text, options, ...captured };
}

/** What JSON would lose or change in `value`, and where; `undefined` where nothing. */
function problemOf(
  value: unknown,
  path: string,
  above: readonly unknown[] = [],
): string | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : `${path} is ${value}`;
    case 'undefined':
      return above.length === 0 ? undefined : `${path} is undefined`;
    case 'object':
      return value === null ? undefined : problemOfObject(value, path, above);
    default:
      return `${path} is a ${typeof value}`;
  }
}

function problemOfObject(
  value: object,
  path: string,
  above: readonly unknown[],
): string | undefined {
  if (above.includes(value)) {
    return `${path} refers back to what contains it`;
  }
  const inside = [...above, value];
  if (Array.isArray(value)) {
    return firstProblem(value.entries(), (index) => `${path}[${index}]`, inside);
  }
  if (!isPlainObject(value)) {
    return `${path} is a ${value.constructor?.name ?? 'class instance'}`;
  }
  const given = Object.entries(value).filter(([, entry]) => entry !== undefined);
  return firstProblem(given, (key) => `${path}.${key}`, inside);
}

function firstProblem<Key>(
  entries: Iterable<[Key, unknown]>,
  pathOf: (key: Key) => string,
  above: readonly unknown[],
): string | undefined {
  for (const [key, entry] of entries) {
    const problem = problemOf(entry, pathOf(key), above);
    if (problem !== undefined) {
      return problem;
    }
  }
  return undefined;
}
