import type { TaskStatus } from '../task/outcome.js';
import type { Task } from '../task/task.js';
import type { Dropped, Verdict } from '../task/verdict.js';

/**
 * Keeps tasks between release and attempt: it owns time and storage. What an attempt is, and what
 * its failure means, is the {@link Worker}'s.
 */
export interface Engine {
  /** The task that stands for the task's `dedupe` key now, if another does. */
  duplicateOf(dedupeKey: string): Task | undefined;

  /**
   * A place for one more task, asked for when it is added, before anything is promised.
   *
   * @throws QueueFullError, ShutDownError
   */
  admit(task: Task): void;

  /**
   * The handler completed: from here on the tasks count. A durable engine stores them all in one
   * operation, and the response waits for it.
   */
  commit(tasks: readonly Task[]): Promise<void> | void;

  /**
   * The task may start, and the line of its successors after it. Where this returns something to
   * wait for, the call of a `@Background()` method outside a request waits for it.
   */
  release(task: Task): PromiseLike<void> | void;

  /** The task may start when `predecessor`, already released, has settled. */
  follow(predecessor: Task, task: Task): void;

  /** Gives back the place of an admitted task that will never be released. */
  discard(task: Task): void;

  /** @returns whether there was anything left to cancel */
  cancel(task: Task): boolean;

  /** Attempts nothing more of a queue, or of all, until resumed. What runs goes on. */
  pause(queue?: string): void;
  resume(queue?: string): void;

  /** What has been released and not settled. */
  tasks(): Iterable<Task>;
  states(): Iterable<QueueState>;

  /** Rejects where the store cannot be reached, within a bounded time. Without it there is none. */
  ping?(): Promise<void>;

  /** From here on tasks are attempted. */
  start(): Promise<void> | void;

  /** Resolves when every admitted task has settled. */
  whenIdle(): Promise<void>;

  /**
   * Resolves when what is awaited has settled, except what cannot start before `deadline`
   * (milliseconds since the epoch). New tasks are still admitted.
   */
  drain(deadline: number, awaited: DrainScope): Promise<void>;

  /**
   * Attempts nothing more, settles what waits as abandoned, aborts what runs and gives it `graceMs`
   * to end by itself. Resolves when nothing runs.
   */
  stop(graceMs: number): Promise<void>;

  /** Nothing is admitted any more. */
  close(): Promise<void> | void;
}

/**
 * What a drain waits for.
 *
 * - `present`: what has been released by now
 * - `released`: that, and what is released until nothing is left
 * - `collected`: the tasks of requests in flight, too
 */
export type DrainScope = 'present' | 'released' | 'collected';

/** How a queue stands at this moment. */
export interface QueueState {
  readonly queue: string;
  readonly running: number;
  /** Added and not running: collected, queued, delayed or between attempts. */
  readonly pending: number;
  /** Since when the longest waiting of those that only wait for a slot was added. */
  readonly oldestAddedAt: number | undefined;
  readonly isPaused: boolean;
}

/** The statuses in which an engine holds a task. */
export type HeldStatus = Extract<TaskStatus, 'queued' | 'delayed' | 'running' | 'retrying'>;

/** What an engine calls: the meaning of a task. */
export interface Worker {
  /** Runs the body once. Never throws; calls `conclude` exactly once, maybe before it returns. */
  attempt(task: Task, conclude: (task: Task, verdict: Verdict) => void): void;
  /** The engine has recorded this verdict: tell everyone. Never throws. */
  announce(task: Task, verdict: Verdict | Dropped): void;
}
