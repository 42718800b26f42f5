import { closestMatch } from 'leven';
import { InvalidOptionError, UnknownOptionError } from '../errors/misuse.errors.js';
import { printable } from '../errors/printable.js';
import { DURATION_FORMAT, toMilliseconds } from '../task/duration.js';
import { insteadOf } from './habits.js';
import { isPlainObject } from '../task/json-value.js';
import type { Serializer } from '../task/stored-call.js';

/** Throws if `value`, found at `path`, is invalid. Never called with `undefined`. */
export type Check = (value: unknown, path: string) => void;

/** A check for each key that `T` may have. Other keys are refused. */
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

export const checkPositiveDuration: Check = (value, path) => {
  checkDuration(value, path);
  if (toMilliseconds(value) === 0) {
    throw new InvalidOptionError(path, `expected more than zero, got ${describe(value)}.`);
  }
};

export const checkCount: Check = countFrom(1);
export const checkCountOrZero: Check = countFrom(0);

function countFrom(least: number): Check {
  return (value, path) => {
    const isUnlimited = value === Number.POSITIVE_INFINITY;
    if (!isUnlimited && (!Number.isInteger(value) || (value as number) < least)) {
      throw new InvalidOptionError(
        path,
        `expected a whole number from ${least} or Infinity, got ${describe(value)}.`,
      );
    }
  };
}

export const checkFiniteCount: Check = (value, path) => {
  if (value === Number.POSITIVE_INFINITY) {
    throw new InvalidOptionError(path, 'Infinity is no limit: leave the option out.');
  }
  if (!Number.isInteger(value) || (value as number) < 1) {
    throw new InvalidOptionError(path, `expected a whole number from 1, got ${describe(value)}.`);
  }
};

/** @returns a check that accepts only these values */
export function checkOneOf(...accepted: readonly string[]): Check {
  return (value, path) => {
    if (!accepted.includes(value as string)) {
      const choice = accepted.map((one) => `'${one}'`).join(', ');
      throw new InvalidOptionError(path, `expected one of ${choice}, got ${describe(value)}.`);
    }
  };
}

/** @returns a check that accepts objects with this method */
export function checkHas(method: string, what: string): Check {
  return (value, path) => {
    if (typeof (value as Record<string, unknown> | null)?.[method] !== 'function') {
      throw new InvalidOptionError(path, `expected ${what}, got ${describe(value)}.`);
    }
  };
}

/** @returns a check that accepts an array whose items `check` accepts */
export function checkEach(check: Check): Check {
  return (value, path) => {
    if (!Array.isArray(value)) {
      throw new InvalidOptionError(path, `expected an array, got ${describe(value)}.`);
    }
    value.forEach((each, index) => check(each, `${path}[${index}]`));
  };
}

/** @returns `check`, except that it accepts every value of this type */
export function checkUnless(type: 'function' | 'boolean', check: Check): Check {
  return (value, path) => {
    if (typeof value !== type) {
      check(value, path);
    }
  };
}

/** @throws InvalidOptionError if `value` lacks one of `keys` */
export function requireKeys(value: object, path: string, ...keys: readonly string[]): void {
  for (const key of keys) {
    if ((value as Record<string, unknown>)[key] === undefined) {
      throw new InvalidOptionError(`${path}.${key}`, 'is missing.');
    }
  }
}

const SERIALIZER_SHAPE: Shape<Serializer> = {
  serialize: checkFunction,
  deserialize: checkFunction,
};

export const checkSerializer: Check = (value, path) => {
  checkShape<Serializer>(value, path, SERIALIZER_SHAPE);
  requireKeys(value as object, path, 'serialize', 'deserialize');
};

export function describe(value: unknown): string {
  if (typeof value === 'string') {
    return `'${printable(value, 200)}'`; // an address may have a password, which printable() hides
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
