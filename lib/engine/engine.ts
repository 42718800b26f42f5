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
 * Keeps tasks between release and attempt: it owns time and storage. What an attempt is, and what
 * its failure means, is the {@link Worker}'s.
 */
export interface Engine extends EngineLife {
  /** What the engine of a queue can do: one object for all the queues of one engine. */
  supportOf(queue: string): EngineSupport;

  /** Set where tasks are kept that this process may not know: those that failed, at least. */
  readonly kept?: KeptTasks | undefined;

  /** The task that stands for the task's `dedupe` key now, if another does. */
  duplicateOf(dedupeKey: string): Task | undefined;

  /**
   * A place for one more task, asked for when it is added, before anything is promised.
   *
   * @param isDeadLetter it is run again, and drops no other task to have a place
   * @throws QueueFullError, ShutDownError
   */
  admit(task: Task, isDeadLetter?: boolean): void;

  /**
   * From here on the tasks count. A durable engine stores them all in one operation, and the response
   * waits for it.
   *
   * @param heads of lines (see `task/line.ts`), each with the tasks behind it. One with a `prior`
   * stands behind a task that was committed before
   * @param isHeld whether a response has to close before they are released
   */
  commit(heads: readonly Task[], isHeld?: boolean): Promise<void> | void;

  /**
   * The line may start: its head, or, where that has a `prior`, as soon as that one has settled. Where
   * this returns something to wait for, the call of a `@Background()` method outside a request waits
   * for it.
   */
  release(head: Task): PromiseLike<void> | void;

  /** Gives back the place of an admitted task that will never be released. */
  discard(task: Task): void;

  /** @returns whether there was anything left to cancel */
  cancel(task: Task): boolean | Promise<boolean>;

  /**
   * Attempts nothing more of a queue, or of all, until told otherwise. What runs goes on.
   *
   * @param isEverywhere whether it is for all processes that share the queue, also those yet to come
   */
  setPaused(isPaused: boolean, queue?: string, isEverywhere?: boolean): Promise<void> | void;

  /** What has been released and not settled. */
  tasks(): Iterable<Task>;

  /** How its queues stand: a promise where only a store can tell. */
  states(): Iterable<QueueState> | Promise<Iterable<QueueState>>;
}

/** How an engine begins and ends. */
export interface EngineLife {
  /** Makes the store ready to take tasks; before any provider's start-up hook. */
  open(restore: Restore): Promise<void> | void;

  /** From here on tasks are attempted; those that a former process has left come back. */
  start(): Promise<void> | void;

  /** Rejects where the store cannot be reached, within a bounded time. */
  ping(): Promise<void> | void;

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

/** What an engine can do besides what every engine can. What it cannot is refused, not ignored. */
export interface EngineSupport {
  /** For the message of a refusal: `BullMQ on PostgreSQL`. */
  readonly engine: string;
  /** How calls are written down; `undefined` where they stay in memory. */
  readonly storage: TaskStorage | undefined;
  /** Where schedules are kept; without it they end with the process. */
  readonly schedules?: ScheduleStore | undefined;
  /** Set where this process adds tasks only, and others run them. */
  readonly isProducer?: boolean;
  /** Set where other processes add and run the tasks, too: see {@link unsupportedOption}. */
  readonly isShared?: boolean;
  /**
   * Stores the task through a connection of its caller's: it exists, and is released, if the
   * transaction commits that is open there. It is not admitted before. `undefined` where the engine
   * has no part in such transactions.
   *
   * @returns its id, or that of another which stands for its `dedupe` key
   * @throws ShutDownError, StoreUnavailableError, TransactionError
   */
  readonly storeWithin?: (client: TransactionClient, task: Task) => Promise<string>;
}

/** The option in `settings` that takes one process which knows all tasks of a queue, if there is one. */
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

/** Keeps what is to be known of schedules after a restart, and in other processes. */
export interface ScheduleStore {
  /** All records by the names of their schedules, and what the store's own clock shows. */
  load(): Promise<{ readonly now: number; readonly records: ReadonlyMap<string, string> }>;
  /**
   * In one operation: puts `after` in the place of the record `before`, and stores the task, released.
   * `undefined` is no record.
   *
   * @returns `'stale'` where the record was another, and nothing has happened; `'duplicate'` where the
   * record is `after` now, and another task stands for the task's `dedupe` key
   */
  swap(
    name: string,
    before: string | undefined,
    after: string | undefined,
    task?: Task,
  ): Promise<'done' | 'duplicate' | 'stale'>;
}

/** How a queue stands at this moment. */
export interface QueueState {
  readonly queue: string;
  readonly running: number;
  /** Added and not running: collected, queued, delayed or between attempts. */
  readonly pending: number;
  /** Since when the longest waiting of those that only wait for a slot was added. */
  readonly oldestAddedAt: number | undefined;
  readonly isPaused: boolean;
  /** `running` and `pending` are those of all processes. */
  readonly isShared?: boolean;
}

/** The statuses in which an engine holds a task. */
export type HeldStatus = Extract<TaskStatus, 'queued' | 'delayed' | 'running' | 'retrying'>;

/**
 * Makes tasks again of what was stored.
 *
 * @param group tasks that belong together, in the order added
 * @param isReturning whether this process has counted them when they came the first time
 * @returns those whose name is known here, in the same order
 */
export type Restore = (group: readonly StoredTask[], isReturning?: boolean) => readonly Task[];

/** What an engine is made with. */
export interface EngineSetting {
  readonly queues: readonly QueueLimits[];
  readonly worker: Worker;
  readonly clock: Clock;
  readonly logger: LoggerService;
  /** How long a shutdown waits for tasks. @default 0 */
  readonly drainTimeoutMs?: number;
  /** How many are kept of those that have settled otherwise. @default 1_000 */
  readonly remember?: number;
  /** How much is kept of tasks that have failed for good. @default everything */
  readonly keep?: KeepLimits;
}

/** The value of the option `engine` of the module or a queue: `journal(…)`, `bullmq(…)`. */
export interface EngineFactory {
  /** What it makes: `journal` or `bullmq`. */
  readonly engine: string;
  /** @internal */
  create(setting: EngineSetting): Engine;
}

/** The limits of one queue. */
export interface QueueLimits {
  readonly name: string;
  readonly concurrency: number;
  /** In all processes that share the queue, where that is limited. */
  readonly concurrencyOfAll?: number | undefined;
  readonly concurrencyPerKey: number;
  readonly rateLimit: { readonly max: number; readonly perMs: number } | undefined;
  readonly maxPending: number;
  readonly overflow: 'reject' | 'drop-oldest';
}

/** What an engine calls: the meaning of a task. */
export interface Worker {
  /** Runs the body once. Never throws; calls `conclude` exactly once, maybe before it returns. */
  attempt(task: Task, conclude: (task: Task, verdict: Verdict) => void): void;
  /** The engine has recorded this: tell everyone. Never throws. */
  announce(task: Task, what: Announcement): void;
}

/** How much is kept of tasks that have failed for good. */
export interface KeepLimits {
  readonly count: number;
  readonly bytes: number;
  readonly ageMs: number;
}

/** Injection token of the {@link Engine}. */
export const ENGINE = Symbol('nestjs-background-tasks:engine');
