import { isA } from '../errors/error-text.js';

/** Estimates for an object and for each of its entries. */
const OBJECT_BYTES = 56;
const ENTRY_BYTES = 24;
/** The work has a bound: entries beyond this number are not counted. */
const MOST_ENTRIES = 100_000;
/** Reading a stack is slow, because Node.js then makes its text. More stacks count as the average of these. */
const MOST_STACKS = 100;

/**
 * Estimates how many bytes a value keeps in memory. Only plain data and errors are looked into:
 * other objects, such as a connection, live anyway.
 */
export function bytesOf(value: unknown): number {
  const seen = new Set<object>();
  const open: unknown[] = [value];
  let bytes = 0;
  let errors = 0;
  let stackBytes = 0;
  for (let entries = 0; open.length > 0 && entries < MOST_ENTRIES; entries += 1) {
    const next = open.pop();
    bytes += ENTRY_BYTES;
    if (typeof next === 'string') {
      bytes += 2 * next.length;
    } else if (ArrayBuffer.isView(next)) {
      bytes += next.byteLength;
    } else if (typeof next === 'object' && next !== null && !seen.has(next)) {
      seen.add(next);
      bytes += OBJECT_BYTES;
      // One by one: so many arguments of one call would overflow the stack.
      for (const entry of entriesOf(next, MOST_ENTRIES - entries)) {
        open.push(entry);
      }
      if (isA(Error, next)) {
        errors += 1;
        stackBytes += errors <= MOST_STACKS ? 2 * stackOf(next).length : 0;
        bytes += stackBytes / Math.min(errors, MOST_STACKS);
      }
    }
  }
  return bytes;
}

/** Reads no getter, whose code is the user's and may do anything. */
function entriesOf(value: object, limit: number): unknown[] {
  try {
    if (Array.isArray(value)) {
      return value.slice(0, limit);
    }
    if (value instanceof Map || value instanceof Set) {
      return [...value].flat().slice(0, limit);
    }
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== null && prototype !== Object.prototype && !(value instanceof Error)) {
      return [];
    }
    const keys = Object.getOwnPropertyNames(value).slice(0, limit);
    const data = value instanceof Error ? keys.filter((key) => key !== 'stack') : keys;
    return data.flatMap((key) => [key, Object.getOwnPropertyDescriptor(value, key)?.value]);
  } catch {
    return []; // a Proxy may refuse
  }
}

const stackIn = (
  value: object,
): { readonly get?: (this: unknown) => unknown; readonly value?: unknown } | undefined =>
  Object.getOwnPropertyDescriptor(value, 'stack');
/** Since Node.js 21 the stack of an error is behind this getter, which is not the user's. */
const GET_STACK = stackIn(new Error())?.get;

function stackOf(error: Error): string {
  try {
    const { get, value } = stackIn(error) ?? {};
    const stack: unknown = get !== undefined && get === GET_STACK ? get.call(error) : value;
    return typeof stack === 'string' ? stack : '';
  } catch {
    return ''; // a Proxy may refuse, and what makes the text of stacks may be the user's
  }
}
