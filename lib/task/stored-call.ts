import type { TaskOptions } from './task-options.js';

/** A call of a `@Background()` method in a form that can be stored. */
export interface StoredCall {
  /** The arguments, serialised. */
  readonly args: string;
  /** The options passed to `addTask()`; they hold no functions. */
  readonly options: TaskOptions | undefined;
  /** What `carry.capture()` returned where the task was added. */
  readonly carried: unknown;
  /** What carriers added with `TaskRunner.carry()` captured, by their names. */
  readonly alsoCarried?: Readonly<Record<string, unknown>>;
}

/** Turns arguments into a string and back: `JSON` unless an engine is given another. */
export interface Serializer {
  /**
   * @param args the arguments of a call
   * @returns them as text
   */
  serialize(args: readonly unknown[]): string;
  /**
   * @param text what `serialize()` returned, perhaps in another process
   * @returns the arguments of the call
   */
  deserialize(text: string): unknown[];
}

/** How an engine stores calls. */
export interface TaskStorage {
  /** `undefined` for JSON. What JSON cannot hold is refused when the task is added. */
  readonly serializer: Serializer | undefined;
  /** The largest size of a call's serialised arguments, in bytes. */
  readonly maxArgsBytes: number;
  /** True in tests, where nothing is really stored: a mock may stand for a method. @default false */
  readonly takesMocks?: boolean;
}

/** A task as read from its store. */
export interface StoredTask {
  readonly id: string;
  readonly name: string;
  /** The queue that the task was added to. */
  readonly queue: string;
  readonly call: StoredCall;
  /** Milliseconds since the epoch. */
  readonly addedAt: number;
  /** How many attempts have ended. */
  readonly attempts: number;
  /** How many of those attempts asked to wait. */
  readonly waits?: Waits | undefined;
}

/** Attempts that ended by asking for the next one: see `RetryLaterError`. */
export interface Waits {
  /** All such attempts. They do not count as errors that lengthen the next wait. */
  readonly asked: number;
  /** The ones among them with `usesAttempt: false`. */
  readonly free: number;
}

/**
 * Reads stored arguments.
 *
 * @throws Error if the text holds none: a store may contain anything
 */
export function readArgs(text: string, storage: TaskStorage | undefined): unknown[] {
  const { serializer } = storage ?? {};
  const args: unknown = serializer === undefined ? JSON.parse(text) : serializer.deserialize(text);
  if (!Array.isArray(args)) {
    throw new TypeError('its arguments are not an array');
  }
  return args;
}
