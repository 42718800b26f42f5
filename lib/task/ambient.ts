import { AsyncLocalStorage } from 'node:async_hooks';
import type { BackgroundMethod } from './background-method.js';
import type { Task } from './task.js';

/** Takes the calls of `@Background()` methods: one for each application in the process. */
export interface MethodIntake {
  /**
   * @param target what the method was called on; `undefined` for its provider
   * @returns a promise of the task's acceptance
   */
  addCall(
    method: BackgroundMethod,
    target: object | undefined,
    args: readonly unknown[],
  ): Promise<void>;
}

/** An attempt as the code inside it can see it. */
export interface RunningTask {
  readonly kind: 'task';
  readonly intake: MethodIntake;
  readonly task: Task;
  /** False once the attempt is over: what its body left behind is outside then. */
  readonly isRunning: boolean;
}

/** A request as the code that handles it can see it. */
export interface OpenRequest {
  readonly kind: 'request';
  readonly intake: MethodIntake;
  /** What it is, for messages. */
  readonly title: string;
  /** The tasks that start only after its end. */
  readonly waiting: readonly Task[];
  /** The same request in the application of `intake`: several may be on one server. */
  of(intake: MethodIntake): OpenRequest | undefined;
  /**
   * Takes a task, or drops it where the request has not gone as the task wants it.
   *
   * @returns false where the request is over: the task is by itself. A promise where the task is stored
   * at once, because the answer is on its way
   */
  add(task: Task): Promise<void> | boolean;
  /** @throws TemporaryError where its client has more waiting than it may */
  admit(): void;
  /** The task that stands for `dedupeKey` within the request. */
  duplicateOf(dedupeKey: string): Task | undefined;
  /** Something of it was not to be had: a 503 that comes of `error` says when to come back. */
  refused(error: unknown): void;
}

/**
 * Which request or attempt the current code belongs to. One storage for both: each one in use is
 * paid for by every promise of the process.
 */
export const ambient = new AsyncLocalStorage<RunningTask | OpenRequest>();
