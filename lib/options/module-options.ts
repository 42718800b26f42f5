import type { Duration } from '../task/duration.js';
import type { EngineFactory, QueueLimits } from '../engine/engine.js';
import type { TaskOptions } from '../task/task-options.js';

/** What a queue or the module may set for all of its tasks. */
export type TaskDefaults = Pick<TaskOptions, 'priority' | 'retry' | 'timeout'>;

/** A named lane of its own, and defaults for the tasks that wait in it. */
export interface QueueOptions extends TaskDefaults {
  /** How many tasks of the queue run at once; a wait for a delay or a retry does not count. @default 10 */
  concurrency?: number | undefined;
  /** How many tasks with the same `concurrencyKey` run at once. @default 1 */
  concurrencyPerKey?: number | undefined;
  /** At most `max` attempts start within any span of `per`. @default none */
  rateLimit?: RateLimitOptions | undefined;
  /**
   * How many tasks may be added and not yet running: collected, queued, delayed or between
   * attempts. @default 100_000
   */
  maxPending?: number | undefined;
  /**
   * What happens to one more: `'reject'` makes `addTask()` throw a QueueFullError, which Nest
   * answers with 503; `'drop-oldest'` drops the one that has waited longest in the lowest lane, or
   * where none waits for a slot, the one that has been delayed or between attempts for longest. It
   * rejects, too, where all are collected, or stand in line behind others of their request.
   * @default 'reject'
   */
  overflow?: 'reject' | 'drop-oldest' | undefined;
  /** Who keeps the tasks of this queue. @default the module's */
  engine?: EngineFactory | undefined;
}

/** See `QueueOptions.rateLimit`. */
export interface RateLimitOptions {
  /** How many attempts, those of retries included. A whole number, 1 or more. */
  max: number;
  /** Within any span of this length: the window slides. */
  per: Duration;
}

/**
 * Context for tasks that are stored. They run in the async context in which the application started,
 * in the process that added them as in any other; tasks in memory have that of the place where they
 * were added, and need none of this.
 */
export interface CarryOptions {
  /** Called where a task is added; returns what JSON can hold. */
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
   * What providers that are made for a request get as `REQUEST` in a stored task. Without it their
   * methods cannot be stored.
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
   * `'continue'` runs the tasks after a failed one all the same; `'stop'` drops them, which needs
   * `order: 'sequential'`.
   * @default 'continue'
   */
  onFailure?: 'continue' | 'stop' | undefined;
  /**
   * Whether an HTTP request has succeeded, where the status of its answer does not tell. It is asked
   * once, with the status that went out and the request as the platform hands it to a handler.
   *
   * @default a status below 400
   */
  succeeded?:
    ((answered: { readonly status: number; readonly request: unknown }) => boolean) | undefined;
}

/**
 * How much is kept of tasks that have failed for good.
 *
 * @inline
 */
export interface KeepOptions {
  /** How many: of each queue with BullMQ, else of each engine. @default 10_000 */
  count?: number | undefined;
  /** How large they are together: about, and not with BullMQ. @default 67_108_864 */
  bytes?: number | undefined;
  /** For how long. @default without end */
  age?: Duration | undefined;
}

/** What `BackgroundTasksModule.forRoot()` takes. Every option has a default. */
export interface BackgroundTasksOptions extends TaskDefaults {
  /** The queues, by name. `default` always exists and may be configured here. @default {} */
  queues?: Record<string, QueueOptions> | undefined;
  /** How the tasks of one request relate to each other. @default one after the other, whatever becomes of them */
  request?: RequestOptions | undefined;
  /**
   * How long a shutdown waits for released tasks before it aborts the running ones and reports the
   * rest as abandoned.
   * @default '10s'
   */
  drainTimeout?: Duration | undefined;
  /** Who keeps the tasks: `journal(…)` for a store on this machine, `bullmq(…)` for one that processes share. @default the memory of the process */
  engine?: EngineFactory | undefined;
  /** What goes with a stored task besides its arguments, a trace or a tenant. @default nothing */
  carry?: CarryOptions | undefined;
  /** How many settled tasks are remembered for each status but `failed`. @default 1_000 */
  remember?: number | undefined;
  /**
   * How much is kept of tasks that have failed for good, in memory or in the store of their engine:
   * see `TaskRunner.retryAll()`. What is more goes, the oldest first.
   * @default 10_000 tasks, 64 MiB
   */
  keep?: KeepOptions | undefined;
  /**
   * Whether everything that happens to a task is logged at debug, in a line each: four lines for a
   * task that completes, which Nest's own logger prints unless debug is off. Failures, retries, drops
   * and abandoned tasks are logged either way, at higher levels.
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
