import type { LoggerService } from '@nestjs/common';
import type { Clock } from '../task/clock.js';
import type { TaskStatus } from '../task/outcome.js';
import type { StoredTask, TaskStorage } from '../task/stored-call.js';
import type { TaskSettings } from '../task/task-options.js';
import type { Task } from '../task/task.js';
import type { TransactionClient } from '../task/transaction-client.js';
import type { Announcement, Verdict } from '../task/verdict.js';
import type { KeptTasks } from './kept-tasks.js';

/**
 * Keeps tasks between release and attempt. The engine owns time and storage; the {@link Worker}
 * owns what an attempt is and what its failure means.
 */
export interface Engine extends EngineLife {
  /** The capabilities of a queue's engine; the same object for all queues of one engine. */
  supportOf(queue: string): EngineSupport;

  /** Set if the engine keeps tasks that this process may not know: at least the failed ones. */
  readonly kept?: KeptTasks | undefined;

  /** The task that currently holds the `dedupe` key, if any. */
  duplicateOf(dedupeKey: string): Task | undefined;

  /**
   * Reserves a place for a task when it is added, before anything is promised.
   *
   * @param isDeadLetter the task is retried, and must not drop another one to get its place
   * @throws QueueFullError, ShutDownError
   */
  admit(task: Task, isDeadLetter?: boolean): void;

  /**
   * Makes the tasks count. A durable engine stores them all in one operation, and the response
   * waits for it.
   *
   * @param heads heads of lines (see `task/line.ts`). A head with a `prior` goes behind that task,
   * which was committed before
   * @param isHeld whether a response has to close before the tasks are released
   */
  commit(heads: readonly Task[], isHeld?: boolean): Promise<void> | void;

  /**
   * Lets a line start: its head at once, or as soon as the head's `prior` has settled. A call of a
   * `@Background()` method outside a request waits for the returned promise, if there is one.
   */
  release(head: Task): PromiseLike<void> | void;

  /** Frees the place of an admitted task that will never be released. */
  discard(task: Task): void;

  /** @returns whether there was anything left to cancel */
  cancel(task: Task): boolean | Promise<boolean>;

  /**
   * Pauses or resumes a queue, or all of them. Running tasks go on.
   *
   * @param isEverywhere for all processes that share the queue, including future ones
   */
  setPaused(isPaused: boolean, queue?: string, isEverywhere?: boolean): Promise<void> | void;

  /** The tasks that are released and unsettled. */
  tasks(): Iterable<Task>;

  /** The state of the queues; a promise if only a store knows it. */
  states(): Iterable<QueueState> | Promise<Iterable<QueueState>>;
}

/** The life cycle of an engine. */
export interface EngineLife {
  /** Opens the store, before any provider's start-up hook runs. */
  open(restore: Restore): Promise<void> | void;

  /** Starts attempting tasks, including those that an earlier process left behind. */
  start(): Promise<void> | void;

  /** Rejects, within a bounded time, if the store cannot be reached. */
  ping(): Promise<void> | void;

  /** Resolves when every admitted task has settled. */
  whenIdle(): Promise<void>;

  /**
   * Resolves when the awaited tasks have settled, except those that cannot start before `deadline`
   * (milliseconds since the epoch). New tasks are still admitted.
   */
  drain(deadline: number, awaited: DrainScope): Promise<void>;

  /**
   * Starts nothing more, settles waiting tasks as abandoned, and aborts running ones, which have
   * `graceMs` to end by themselves. Resolves when nothing runs.
   */
  stop(graceMs: number): Promise<void>;

  /** Closes the store. Nothing is admitted any more. */
  close(): Promise<void> | void;
}

/**
 * The tasks that a drain waits for.
 *
 * - `present`: those that are released now
 * - `released`: also those released meanwhile, until none is left
 * - `collected`: also those of requests in flight
 */
export type DrainScope = 'present' | 'released' | 'collected';

/** The optional capabilities of an engine. Options that need a missing one are refused, not ignored. */
export interface EngineSupport {
  /** A name for error messages, such as `BullMQ on PostgreSQL`. */
  readonly engine: string;
  /** How calls are stored; `undefined` if they stay in memory. */
  readonly storage: TaskStorage | undefined;
  /** Where schedules are stored; without it they end with the process. */
  readonly schedules?: ScheduleStore | undefined;
  /** Set if this process only adds tasks, and others run them. */
  readonly isProducer?: boolean;
  /** Set if other processes add and run tasks, too: see {@link unsupportedOption}. */
  readonly isShared?: boolean;
  /**
   * Stores the task through the caller's connection: the task exists, and is released, if the open
   * transaction commits. It must not be admitted before. `undefined` if the engine cannot join
   * transactions.
   *
   * @returns the id of the task, or of the one that holds its `dedupe` key
   * @throws ShutDownError, StoreUnavailableError, TransactionError
   */
  readonly storeWithin?: (client: TransactionClient, task: Task) => Promise<string>;
}

/** The first option in `settings` that works only if one process knows all tasks of a queue. */
export function unsupportedOption(
  { isShared = false }: EngineSupport,
  { batch, concurrencyKey, dedupe }: TaskSettings,
): string | undefined {
  if (!isShared) {
    return undefined;
  }
  if (batch !== undefined) {
    return 'batch';
  }
  if (concurrencyKey !== undefined) {
    return 'concurrencyKey';
  }
  if (dedupe?.again === true) {
    return 'dedupe.again';
  }
  return dedupe !== undefined && dedupe.windowMs > 0 ? 'dedupe.window' : undefined;
}

/** Keeps the records of schedules across restarts and processes. */
export interface ScheduleStore {
  /** All records by schedule name, and the time of the store's clock. */
  load(): Promise<{ readonly now: number; readonly records: ReadonlyMap<string, string> }>;
  /**
   * Replaces the record `before` by `after` and stores the task, released, in one operation.
   * `undefined` means no record.
   *
   * @returns `'stale'` if the record was not `before`, and nothing has changed; `'duplicate'` if
   * the record is `after` now, but another task holds the task's `dedupe` key
   */
  swap(
    name: string,
    before: string | undefined,
    after: string | undefined,
    task?: Task,
  ): Promise<'done' | 'duplicate' | 'stale'>;
}

/** A snapshot of a queue. */
export interface QueueState {
  readonly queue: string;
  readonly running: number;
  /** Tasks added and not running: collected, queued, delayed or between attempts. */
  readonly pending: number;
  /** When the oldest task that waits only for a slot was added. */
  readonly oldestAddedAt: number | undefined;
  readonly isPaused: boolean;
  /** `running` and `pending` count all processes. */
  readonly isShared?: boolean;
}

/** The statuses of a task that an engine holds. */
export type HeldStatus = Extract<TaskStatus, 'queued' | 'delayed' | 'running' | 'retrying'>;

/**
 * Restores stored tasks.
 *
 * @param group tasks that belong together, in the order added
 * @param isReturning whether this process has counted them before
 * @returns those whose name is known here, in the same order
 */
export type Restore = (group: readonly StoredTask[], isReturning?: boolean) => readonly Task[];

export interface EngineSetting {
  readonly queues: readonly QueueLimits[];
  readonly worker: Worker;
  readonly clock: Clock;
  readonly logger: LoggerService;
  /** How long a shutdown waits for tasks. @default 0 */
  readonly drainTimeoutMs?: number;
  /** How many settled tasks that did not fail are kept. @default 1_000 */
  readonly remember?: number;
  /** How many failed tasks are kept. @default all */
  readonly keep?: KeepLimits;
}

/** The value of the option `engine` of the module or a queue: `journal(…)`, `bullmq(…)`. */
export interface EngineFactory {
  /** The kind of engine: `journal` or `bullmq`. */
  readonly engine: string;
  /** @internal */
  create(setting: EngineSetting): Engine;
}

/** The limits of one queue. */
export interface QueueLimits {
  readonly name: string;
  readonly concurrency: number;
  /** The limit over all processes that share the queue, if any. */
  readonly concurrencyOfAll?: number | undefined;
  readonly concurrencyPerKey: number;
  readonly rateLimit: { readonly max: number; readonly perMs: number } | undefined;
  readonly maxPending: number;
  readonly overflow: 'reject' | 'drop-oldest';
}

/** The engine's view of the code that runs tasks. */
export interface Worker {
  /** Runs the body once. Never throws. Calls `conclude` exactly once, perhaps before it returns. */
  attempt(task: Task, conclude: (task: Task, verdict: Verdict) => void): void;
  /** Announces what the engine has recorded. Never throws. */
  announce(task: Task, what: Announcement): void;
}

/** How many failed tasks are kept: by number, size and age. */
export interface KeepLimits {
  readonly count: number;
  readonly bytes: number;
  readonly ageMs: number;
}

/** Injection token of the {@link Engine}. */
export const ENGINE = Symbol('nestjs-background-tasks:engine');
