import type { Duration } from '../task/duration.js';
import type { EngineFactory, QueueLimits } from '../engine/engine.js';
import type { TaskOptions } from '../task/task-options.js';

/** Options that a queue or the module can set for all of its tasks. */
export type TaskDefaults = Pick<TaskOptions, 'priority' | 'retry' | 'timeout'>;

/** A queue: its limits, and defaults for its tasks. */
export interface QueueOptions extends TaskDefaults {
  /**
   * How many tasks of the queue run at once in each process. A task that waits for its delay or a
   * retry does not count. `{ each, all }` also limits how many run in all processes together.
   * @default 10
   */
  concurrency?: number | SharedConcurrency | undefined;
  /** How many tasks with the same `concurrencyKey` run at once. @default 1 */
  concurrencyPerKey?: number | undefined;
  /** At most `max` attempts start within any span of `per`. @default none */
  rateLimit?: RateLimitOptions | undefined;
  /** How many tasks may wait: collected, queued, delayed or between attempts. @default 100_000 */
  maxPending?: number | undefined;
  /**
   * What happens at `maxPending`. `'reject'` makes `addTask()` throw a QueueFullError, which Nest
   * answers with 503. `'drop-oldest'` drops the longest waiting task of the lowest priority; if
   * none waits for a slot, the one that has been delayed or between attempts for longest. If all
   * tasks are collected, or wait behind others of their request, the new task is rejected.
   * @default 'reject'
   */
  overflow?: 'reject' | 'drop-oldest' | undefined;
  /** The engine that keeps the tasks of this queue. @default the module's */
  engine?: EngineFactory | undefined;
}

/**
 * See `QueueOptions.concurrency`. Not available on PostgreSQL, which throws.
 *
 * @inline
 */
export interface SharedConcurrency {
  /** How many in each process. @default as many as in all */
  each?: number | undefined;
  /**
   * How many in all processes that share the queue. If they differ, the one that started last
   * decides.
   */
  all: number;
}

/** See `QueueOptions.rateLimit`. */
export interface RateLimitOptions {
  /** How many attempts may start, retries included. A whole number, 1 or more. */
  max: number;
  /** The length of the span. The limit holds for any span of this length: the window slides. */
  per: Duration;
}

/**
 * Context for tasks that are stored. They run in the async context in which the application
 * started, even in the process that added them. Tasks in memory have the context of the place where
 * they were added and need no `carry`.
 */
export interface CarryOptions {
  /** Called when a task is added. Returns a value that JSON can hold. */
  capture(): unknown;
  /**
   * Called around each attempt of a stored task.
   *
   * @param carried what `capture()` returned where the task was added
   * @param run the attempt
   * @returns what `run()` returned
   */
  restore<T>(carried: unknown, run: () => T): T;
  /**
   * Makes the `REQUEST` of request-scoped providers for a stored task. Without it their methods
   * cannot be stored.
   *
   * @param carried what `capture()` returned where the task was added
   * @returns as much of the request as they need
   * @default none
   */
  request?: ((carried: unknown) => object) | undefined;
}

/** How the tasks of one request relate to each other. */
export interface RequestOptions {
  /**
   * `'sequential'` runs the tasks of a request one after the other, in the order added;
   * `'concurrent'` lets them start together.
   * @default 'sequential'
   */
  order?: 'sequential' | 'concurrent' | undefined;
  /**
   * `'continue'` runs the tasks behind a failed one. `'stop'` drops them, and needs `order:
   * 'sequential'`.
   * @default 'continue'
   */
  onFailure?: 'continue' | 'stop' | undefined;
  /**
   * Decides whether an HTTP request has succeeded. It is called once, with the status that was sent
   * and the request as a handler gets it.
   *
   * @default a status below 400
   */
  succeeded?:
    ((answered: { readonly status: number; readonly request: unknown }) => boolean) | undefined;
}

/**
 * How many dead letters are kept: tasks that have failed for good.
 *
 * @inline
 */
export interface KeepOptions {
  /** How many are kept: per queue with BullMQ, per engine otherwise. @default 10_000 */
  count?: number | undefined;
  /**
   * How many bytes the dead letters may take together, approximately. Not with BullMQ. @default
   * 67_108_864
   */
  bytes?: number | undefined;
  /** How long each is kept. @default forever */
  age?: Duration | undefined;
}

/** The options of `BackgroundTasksModule.forRoot()`. Every option has a default. */
export interface BackgroundTasksOptions extends TaskDefaults {
  /** The queues, by name. `default` always exists and may be configured here. @default {} */
  queues?: Record<string, QueueOptions> | undefined;
  /**
   * How the tasks of one request relate to each other. @default one after the other, even after a
   * failure
   */
  request?: RequestOptions | undefined;
  /**
   * How long a shutdown waits for released tasks before it aborts the running ones and reports the
   * rest as abandoned.
   * @default '10s'
   */
  drainTimeout?: Duration | undefined;
  /**
   * The engine that keeps the tasks: `journal(…)` on this machine, `bullmq(…)` in a store that
   * processes share.
   * @default the memory of the process
   */
  engine?: EngineFactory | undefined;
  /**
   * Context that is stored with a task besides its arguments, such as a tenant.
   * @default nothing
   */
  carry?: CarryOptions | undefined;
  /** How many settled tasks of each status are remembered, except failed ones. @default 1_000 */
  remember?: number | undefined;
  /**
   * How many dead letters are kept, in memory or in the store of their engine: see
   * `TaskRunner.retryAll()`. Beyond that the oldest are deleted.
   * @default 10_000 tasks, 64 MiB
   */
  keep?: KeepOptions | undefined;
  /**
   * Whether each step of each task is logged at `debug`: four lines for a task that completes.
   * Failures, retries, drops and abandoned tasks are always logged, at higher levels.
   * @default false
   */
  logEvents?: boolean | undefined;
}

/** A queue's limits, filled in. */
export interface QueueSettings extends QueueLimits {
  readonly engine: EngineFactory | undefined;
}

/** {@link RequestOptions}, filled in. */
export type RequestSettings = Readonly<
  Required<Omit<RequestOptions, 'succeeded'>> & Pick<RequestOptions, 'succeeded'>
>;
