/** Estimates for an object and for each of its entries. */
const OBJECT_BYTES = 56;
const ENTRY_BYTES = 24;
/** The work has a bound: entries beyond this number are not counted. */
const MOST_ENTRIES = 100_000;

/**
 * Estimates how many bytes a value keeps in memory. Only plain data and errors are looked into:
 * other objects, such as a connection, live anyway.
 */
export function bytesOf(value: unknown): number {
  const seen = new Set<object>();
  const open: unknown[] = [value];
  let bytes = 0;
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
    const descriptors = Object.entries(Object.getOwnPropertyDescriptors(value)).slice(0, limit);
    return descriptors.flatMap(([key, descriptor]) => [key, descriptor.value as unknown]);
  } catch {
    return []; // a Proxy may refuse
  }
}
