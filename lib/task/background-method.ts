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

/** @returns what `@Background()` left on `fn`, if it stands there */
export function backgroundMethodOf(fn: unknown): BackgroundMethod | undefined {
  return typeof fn === 'function'
    ? (fn as { [BACKGROUND]?: BackgroundMethod })[BACKGROUND]
    : undefined;
}
