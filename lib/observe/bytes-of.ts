/** About what an object takes, and each of its entries. */
const OBJECT_BYTES = 56;
const ENTRY_BYTES = 24;
/** Who looks at more of a value than this takes too long: it counts as that much. */
const MOST_ENTRIES = 100_000;

/**
 * About how many bytes of memory a value takes that nobody else holds. Only plain data and errors are
 * looked into: what else there is, a connection for example, lives anyway.
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
      // One by one: as arguments of a call, so many would not fit on the stack.
      for (const entry of entriesOf(next, MOST_ENTRIES - entries)) {
        open.push(entry);
      }
    }
  }
  return bytes;
}

/** Nothing of the user's is called: a getter may do anything. */
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
    return []; // a proxy that lets nobody look
  }
}
