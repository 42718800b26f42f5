import type { BackgroundOptions } from './task-options.js';

type Method = (...args: never[]) => unknown;

/** What `@Background()` stores on the function that replaces the method. */
export interface BackgroundMethod {
  /** `Class.method` of the class that has the decorator. */
  readonly member: string;
  /** The undecorated method. */
  readonly method: Method;
  readonly options: BackgroundOptions | undefined;
  /** The directory of the copy of this package that the decorator came from. */
  readonly copy: string;
  /** What `bind()` has fixed: `this`, and the leading arguments of each call. */
  readonly bound?: { readonly target: unknown; readonly args: readonly unknown[] };
}

// A bundler may leave `import.meta.url` undefined.
const url = (import.meta as { readonly url?: string }).url ?? '';

/** The directory of the copy of this package that this code belongs to. */
export const THIS_COPY = url.replace(/^file:\/\//, '').replace(/\/task\/[^/]*$/, '');

// Shared by all copies of the package in a process: one must recognise what another has decorated.
const BACKGROUND = Symbol.for('nestjs-background-tasks:background');

export function markBackgroundMethod(wrapper: object, method: BackgroundMethod): void {
  Object.defineProperty(wrapper, BACKGROUND, { value: method });
}

/** Lists the method on its class, too: a decorator above this one may replace the marked function. */
export function listBackgroundMethod(
  prototype: object,
  key: string | symbol,
  method: BackgroundMethod,
): void {
  const list = ownList(prototype) ?? new Map<string | symbol, BackgroundMethod>();
  list.set(key, method);
  Object.defineProperty(prototype, BACKGROUND, { value: list, configurable: true });
}

/**
 * The `@Background()` methods of an object with this prototype, inherited ones included.
 *
 * @param onOverride called for each method that a subclass overrides without the decorator
 */
export function backgroundMethodsOf(
  prototype: object,
  onOverride?: (override: unknown, overridden: BackgroundMethod) => void,
): Map<string | symbol, BackgroundMethod> {
  const found = new Map<string | symbol, BackgroundMethod>();
  const seen = new Map<string | symbol, unknown>();
  for (const level of levelsOf(prototype)) {
    for (const [key, method] of ownMethods(level)) {
      if (!seen.has(key)) {
        found.set(key, method);
      } else if (!found.has(key)) {
        onOverride?.(seen.get(key), method);
      }
    }
    for (const key of Reflect.ownKeys(level).filter((each) => !seen.has(each))) {
      seen.set(key, Object.getOwnPropertyDescriptor(level, key)?.value);
    }
  }
  return found;
}

/**
 * How `method` relates to `self`, on which it was called: its current method, one that a subclass
 * overrides, or none of its methods (the function was detached from its object).
 */
export function relationOf(method: Method, self: unknown): 'own' | 'overridden' | 'none' {
  if (typeof self !== 'object' || self === null) {
    return 'none';
  }
  const prototype = Object.getPrototypeOf(self) as object | null;
  if (prototype === null) {
    return 'none';
  }
  let relations = relationsByClass.get(prototype);
  if (relations === undefined) {
    relations = new Map();
    for (const level of levelsOf(prototype)) {
      for (const [, each] of ownMethods(level)) {
        relations.set(each.method, 'overridden');
      }
    }
    for (const each of backgroundMethodsOf(prototype).values()) {
      relations.set(each.method, 'own');
    }
    relationsByClass.set(prototype, relations);
  }
  return relations.get(method) ?? 'none';
}

/** Cached by class: every call asks. */
const relationsByClass = new WeakMap<object, Map<Method, 'own' | 'overridden'>>();

function* levelsOf(prototype: object): Generator<object> {
  let level: object | null = prototype;
  while (level !== null) {
    yield level;
    level = Object.getPrototypeOf(level) as object | null;
  }
}

/** Methods listed on the class, and marked functions copied from another class (mixins). */
function* ownMethods(level: object): Generator<[string | symbol, BackgroundMethod]> {
  const list = ownList(level);
  yield* list ?? [];
  for (const key of Reflect.ownKeys(level)) {
    const method = backgroundMethodOf(Object.getOwnPropertyDescriptor(level, key)?.value);
    if (method !== undefined && list?.has(key) !== true) {
      yield [key, method];
    }
  }
}

function ownList(prototype: object): Map<string | symbol, BackgroundMethod> | undefined {
  const list: unknown = Object.getOwnPropertyDescriptor(prototype, BACKGROUND)?.value;
  return list instanceof Map ? (list as Map<string | symbol, BackgroundMethod>) : undefined;
}

/** @returns what `@Background()` stored on `fn`, or on the function that `fn` copies */
export function backgroundMethodOf(fn: unknown): BackgroundMethod | undefined {
  return typeof fn === 'function'
    ? (fn as { [BACKGROUND]?: BackgroundMethod })[BACKGROUND]
    : undefined;
}

/** A test may replace a method by such a function, to watch its calls. */
export function isMock(fn: object): boolean {
  return (
    '_isMockFunction' in fn || 'isSinonProxy' in fn || ('mock' in fn && typeof fn.mock === 'object')
  );
}
