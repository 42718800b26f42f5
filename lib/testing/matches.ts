import { isDeepStrictEqual } from 'node:util';

interface Matcher {
  asymmetricMatch(actual: unknown): boolean;
}

/** Deep equality that knows the matchers of jest, vitest and sinon: `expect.any(String)`. */
export function matches(expected: unknown, actual: unknown): boolean {
  if (isMatcher(expected)) {
    return expected.asymmetricMatch(actual);
  }
  if (Array.isArray(expected) && Array.isArray(actual)) {
    return (
      expected.length === actual.length &&
      expected.every((each, index) => matches(each, actual[index]))
    );
  }
  if (isPlain(expected) && isPlain(actual)) {
    const keys = Object.keys(expected);
    return (
      keys.length === Object.keys(actual).length &&
      keys.every((key) => Object.hasOwn(actual, key) && matches(expected[key], actual[key]))
    );
  }
  return isDeepStrictEqual(expected, actual);
}

function isMatcher(value: unknown): value is Matcher {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<Matcher>).asymmetricMatch === 'function'
  );
}

/** A test runner's realm has an Object of its own: any prototype without a parent counts as plain. */
function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
