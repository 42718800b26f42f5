import type { BackgroundOptions } from './task-options.js';

type Method = (...args: never[]) => unknown;

/** What `@Background()` leaves on the method it replaces. */
export interface BackgroundMethod {
  /** `Class.method` at the place of the decorator. */
  readonly member: string;
  /** The method as it was written. */
  readonly method: Method;
  readonly options: BackgroundOptions | undefined;
  /** Where the copy of this package lies that the decorator came from. */
  readonly copy: string;
  /** What `bind()` has put before the arguments of each call, and what it has given as `this`. */
  readonly bound?: { readonly target: unknown; readonly args: readonly unknown[] };
}

// A bundler may leave no address.
const url = (import.meta as { readonly url?: string }).url ?? '';

/** Where the copy of this package lies that this code belongs to. */
export const THIS_COPY = url.replace(/^file:\/\//, '').replace(/\/task\/[^/]*$/, '');

// Known to all copies of the package in a process: one must recognise what another has decorated.
const BACKGROUND = Symbol.for('nestjs-background-tasks:background');

export function markBackgroundMethod(wrapper: object, method: BackgroundMethod): void {
  Object.defineProperty(wrapper, BACKGROUND, { value: method });
}

/**
 * Leaves word on the class, too: a decorator above this one may put a function of its own in the
 * method's place.
 */
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
 * The `@Background()` methods that an object with this prototype has, its class's and inherited.
 *
 * @param onOverride told of what a subclass overrides without the decorator: it is no task any more
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
 * What `method` is to `self`, on which it was called: its own, the one that its own overrides, or
 * nothing, where the method was taken off its object.
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

/** Asked with each call, and the same for all objects of a class. */
const relationsByClass = new WeakMap<object, Map<Method, 'own' | 'overridden'>>();

function* levelsOf(prototype: object): Generator<object> {
  let level: object | null = prototype;
  while (level !== null) {
    yield level;
    level = Object.getPrototypeOf(level) as object | null;
  }
}

/** Those listed on the class, and those that another class's methods were copied to it with. */
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

/** @returns what `@Background()` left on `fn`, or on what `fn` is a copy of */
export function backgroundMethodOf(fn: unknown): BackgroundMethod | undefined {
  return typeof fn === 'function'
    ? (fn as { [BACKGROUND]?: BackgroundMethod })[BACKGROUND]
    : undefined;
}

/** Such a function stands in a method's place, in a test that watches the calls. */
export function isMock(fn: object): boolean {
  return (
    '_isMockFunction' in fn || 'isSinonProxy' in fn || ('mock' in fn && typeof fn.mock === 'object')
  );
}
