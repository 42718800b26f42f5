import type { BackgroundOptions } from './task-options.js';

/** What `@Background()` leaves on the method it replaces. */
export interface BackgroundMethod {
  /** `Class.method` at the place of the decorator. */
  readonly member: string;
  /** The method as it was written. */
  readonly method: (...args: never[]) => unknown;
  readonly options: BackgroundOptions | undefined;
}

const BACKGROUND = Symbol('nestjs-background-tasks:background');

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

/** The `@Background()` methods that an object with this prototype has, its class's and inherited. */
export function backgroundMethodsOf(prototype: object): Map<string | symbol, BackgroundMethod> {
  const found = new Map<string | symbol, BackgroundMethod>();
  const seen = new Set<string | symbol>();
  let level: object | null = prototype;
  while (level !== null) {
    for (const [key, method] of ownList(level) ?? []) {
      if (!seen.has(key)) {
        found.set(key, method);
      }
    }
    // What a subclass overrides without the decorator is no task any more.
    Reflect.ownKeys(level).forEach((key) => seen.add(key));
    level = Object.getPrototypeOf(level) as object | null;
  }
  return found;
}

function ownList(prototype: object): Map<string | symbol, BackgroundMethod> | undefined {
  return Object.getOwnPropertyDescriptor(prototype, BACKGROUND)?.value as
    Map<string | symbol, BackgroundMethod> | undefined;
}

/** @returns what `@Background()` left on `fn`, if it stands there */
export function backgroundMethodOf(fn: unknown): BackgroundMethod | undefined {
  return typeof fn === 'function'
    ? (fn as { [BACKGROUND]?: BackgroundMethod })[BACKGROUND]
    : undefined;
}
