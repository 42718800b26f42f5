import { AsyncLocalStorage } from 'node:async_hooks';
import type { BackgroundMethod } from './background-method.js';
import type { Task } from './task.js';

/** Accepts calls of `@Background()` methods. There is one intake per application in the process. */
export interface MethodIntake {
  /**
   * @param target the object the method was called on; `undefined` for its provider
   * @returns a promise that resolves when the task is accepted
   */
  addCall(
    method: BackgroundMethod,
    target: object | undefined,
    args: readonly unknown[],
  ): Promise<void>;
}

/** An attempt as the code inside it sees it. */
export interface RunningTask {
  readonly kind: 'task';
  readonly intake: MethodIntake;
  readonly task: Task;
  /** False once the attempt is over: work that its body left behind counts as outside the task. */
  readonly isRunning: boolean;
}

/** A request as the code that handles it sees it. */
export interface OpenRequest {
  readonly kind: 'request';
  readonly intake: MethodIntake;
  /** A name for messages. */
  readonly title: string;
  /** The tasks that start only after the request has ended. */
  readonly waiting: readonly Task[];
  /** The same request in the application of `intake`: one server may host several applications. */
  of(intake: MethodIntake): OpenRequest | undefined;
  /**
   * Adds a task, or drops it if the request's end does not match its `when`.
   *
   * @returns false if the request is over: the task stands alone. A promise if the task is stored
   * at once, because the answer is on its way
   */
  add(task: Task): Promise<void> | boolean;
  /** @throws TemporaryError if the client has too many tasks waiting */
  admit(): void;
  /** The task with `dedupeKey` in this request. */
  duplicateOf(dedupeKey: string): Task | undefined;
  /** A resource was not available: a 503 caused by `error` tells the client when to retry. */
  refused(error: unknown): void;
}

/**
 * The request or attempt that the current code belongs to. One storage serves both, because every
 * promise of the process pays for each storage in use.
 */
export const ambient = new AsyncLocalStorage<RunningTask | OpenRequest>();
