import { closestMatch } from 'leven';
import { InvalidOptionError, UnknownOptionError } from '../errors/misuse.errors.js';
import { printable } from '../errors/printable.js';
import { DURATION_FORMAT, toMilliseconds } from '../task/duration.js';
import { insteadOf } from './habits.js';
import { isPlainObject } from '../task/json-value.js';

/** Throws where `value`, found at `path`, is not acceptable. Never called with `undefined`. */
export type Check = (value: unknown, path: string) => void;

/** One check for each key that `T` may have: what is not in it is refused. */
export type Shape<T> = { readonly [Key in keyof Required<T>]: Check };

/** @throws UnknownOptionError, InvalidOptionError */
export function checkShape<T>(value: unknown, path: string, shape: Shape<T>): void {
  if (!isPlainObject(value)) {
    throw new InvalidOptionError(path, `expected a plain object, got ${describe(value)}.`);
  }
  const checks: Record<string, Check> = shape;
  for (const key of Object.keys(value)) {
    const entry = value[key];
    const keyPath = path === '' ? key : `${path}.${key}`;
    if (!Object.hasOwn(checks, key)) {
      const known = Object.keys(checks);
      throw new UnknownOptionError(keyPath, known, nearest(key, known), insteadOf(key, entry));
    }
    if (entry !== undefined) {
      checks[key]?.(entry, keyPath);
    }
  }
}

/** The candidate that `word` is probably a misspelling of. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const maxDistance = Math.max(2, Math.floor(word.length / 3));
  return closestMatch(word, [...candidates], { maxDistance });
}

export const checkString: Check = (value, path) => {
  if (typeof value !== 'string' || value === '') {
    throw new InvalidOptionError(path, `expected a non-empty string, got ${describe(value)}.`);
  }
};

export const checkBoolean: Check = (value, path) => {
  if (typeof value !== 'boolean') {
    throw new InvalidOptionError(path, `expected true or false, got ${describe(value)}.`);
  }
};

export const checkFunction: Check = (value, path) => {
  if (typeof value !== 'function') {
    throw new InvalidOptionError(path, `expected a function, got ${describe(value)}.`);
  }
};

export const checkDuration: Check = (value, path) => {
  if (toMilliseconds(value) === undefined) {
    throw new InvalidOptionError(path, `expected ${DURATION_FORMAT}, got ${describe(value)}.`);
  }
};

/** A duration longer than nothing. */
export const checkPositiveDuration: Check = (value, path) => {
  checkDuration(value, path);
  if (toMilliseconds(value) === 0) {
    throw new InvalidOptionError(path, `expected more than zero, got ${describe(value)}.`);
  }
};

export const checkCount: Check = (value, path) => {
  const isUnlimited = value === Number.POSITIVE_INFINITY;
  if (!isUnlimited && (!Number.isInteger(value) || (value as number) < 1)) {
    throw new InvalidOptionError(
      path,
      `expected a whole number from 1 or Infinity, got ${describe(value)}.`,
    );
  }
};

/** A count that has an end. */
export const checkFiniteCount: Check = (value, path) => {
  checkCount(value, path);
  if (value === Number.POSITIVE_INFINITY) {
    throw new InvalidOptionError(path, 'Infinity is no limit: leave it out.');
  }
};

/** @returns a check that accepts just these values */
export function checkOneOf(...accepted: readonly string[]): Check {
  return (value, path) => {
    if (!accepted.includes(value as string)) {
      const choice = accepted.map((one) => `'${one}'`).join(', ');
      throw new InvalidOptionError(path, `expected one of ${choice}, got ${describe(value)}.`);
    }
  };
}

/** @returns a check that accepts what has this method */
export function checkHas(method: string, what: string): Check {
  return (value, path) => {
    if (typeof (value as Record<string, unknown> | null)?.[method] !== 'function') {
      throw new InvalidOptionError(path, `expected ${what}, got ${describe(value)}.`);
    }
  };
}

/** @returns a check that accepts a list of what `check` accepts */
export function checkEach(check: Check): Check {
  return (value, path) => {
    if (!Array.isArray(value)) {
      throw new InvalidOptionError(path, `expected an array, got ${describe(value)}.`);
    }
    value.forEach((each, index) => check(each, `${path}[${index}]`));
  };
}

/** @returns a check that values of this type pass unseen */
export function checkUnless(type: 'function' | 'boolean', check: Check): Check {
  return (value, path) => {
    if (typeof value !== type) {
      check(value, path);
    }
  };
}

/** Refuses `value` where one of `keys` is not given. */
export function requireKeys(value: object, path: string, ...keys: readonly string[]): void {
  for (const key of keys) {
    if ((value as Record<string, unknown>)[key] === undefined) {
      throw new InvalidOptionError(`${path}.${key}`, 'is missing.');
    }
  }
}

/** A value as an error message shows it. */
export function describe(value: unknown): string {
  if (typeof value === 'string') {
    return `'${printable(value, 200)}'`; // an address may have a password
  }
  if (typeof value === 'function') {
    return value.name ? `function ${value.name}` : 'a function';
  }
  if (typeof value === 'object' && value !== null) {
    if (Array.isArray(value)) {
      return 'an array';
    }
    return value instanceof Promise || 'then' in value
      ? 'a promise'
      : `an object (${value.constructor?.name ?? 'no class'})`;
  }
  return String(value);
}
