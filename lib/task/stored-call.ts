import type { TaskOptions } from './task-options.js';

/** A call of a `@Background()` method in a form that can be written down. */
export interface StoredCall {
  /** The arguments, serialised. */
  readonly args: string;
  /** What was passed to `addTask()` besides; it holds no functions. */
  readonly options: TaskOptions | undefined;
  /** What `carry.capture()` returned where the task was added. */
  readonly carried: unknown;
  /** What others carry besides, by their names. */
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
   * @param text what `serialize()` returned, maybe in another process
   * @returns the arguments that the method is called with
   */
  deserialize(text: string): unknown[];
}

/** How an engine writes calls down. */
export interface TaskStorage {
  /** `undefined` for JSON, whose limits are checked when a task is added. */
  readonly serializer: Serializer | undefined;
  /** No call's arguments are longer, serialised: in bytes. */
  readonly maxArgsBytes: number;
  /** In a test nothing is written down: a mock may stand for a method. @default false */
  readonly takesMocks?: boolean;
}

/** A task as it comes back from where it was stored. */
export interface StoredTask {
  readonly id: string;
  readonly name: string;
  /** The one that it was added to. */
  readonly queue: string;
  readonly call: StoredCall;
  /** Milliseconds since the epoch. */
  readonly addedAt: number;
  /** Attempts that are over. */
  readonly attempts: number;
  /** How many of them asked to wait. */
  readonly waits?: Waits | undefined;
}

/** Attempts that ended by asking for the next one: see `RetryLaterError`. */
export interface Waits {
  /** All of them: none is an error that lengthens the next wait. */
  readonly asked: number;
  /** Those that use up none of the attempts that the policy allows. */
  readonly free: number;
}

/**
 * The arguments that were written down, here or elsewhere.
 *
 * @throws Error where they are none: a store may hold anything
 */
export function readArgs(text: string, storage: TaskStorage | undefined): unknown[] {
  const { serializer } = storage ?? {};
  const args: unknown = serializer === undefined ? JSON.parse(text) : serializer.deserialize(text);
  if (!Array.isArray(args)) {
    throw new TypeError('its arguments are no array');
  }
  return args;
}
