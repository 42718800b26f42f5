import type { Duration } from './duration.js';
import type { ScheduleOptions } from './schedule-options.js';

/**
 * `'high'` overtakes `'normal'`, `'normal'` overtakes `'low'`. Within one priority the order is
 * first in, first out.
 */
export type Priority = 'high' | 'normal' | 'low';

/** The end of a request after which its task runs. */
export type When = 'success' | 'failure' | 'always';

/** Returns how long to wait after attempt number `attempt` (1 for the first) has failed. */
export type BackoffFunction = (attempt: number, error: unknown) => Duration;

/** When another attempt follows a failed one, and how soon. */
export interface RetryOptions {
  /**
   * The number of attempts, the first included. A whole number, 1 or more.
   * @default that of the wider level; an InvalidOptionError if none has one
   */
  attempts?: number | undefined;
  /**
   * How the wait grows: `'exponential'` (`delay × factor^(attempt − 1)`), `'fixed'` (`delay`), or a
   * function of the attempt that failed and its error. `maxDelay` and `jitter` do not apply to the
   * value that a function returns.
   * @default 'exponential'
   */
  backoff?: 'exponential' | 'fixed' | BackoffFunction | undefined;
  /** The wait after the first failed attempt. @default '1s' */
  delay?: Duration | undefined;
  /** The factor by which an exponential wait grows with each attempt. 1 or more. @default 2 */
  factor?: number | undefined;
  /** The longest wait. A longer `delay` is refused. @default '30s', or `delay` if that is longer */
  maxDelay?: Duration | undefined;
  /**
   * `'full'` waits a random time between 0 and the computed wait, so tasks that failed together do
   * not retry together; `'none'` waits exactly that long.
   * @default 'full'
   */
  jitter?: 'full' | 'none' | undefined;
  /**
   * Return `false` to fail at once. `error` is the error of attempt number `attempt`.
   * @default retries after any error
   */
  retryIf?: ((error: unknown, attempt: number) => boolean) | undefined;
}

/** A key, or a function that computes it from the arguments of the call. */
export type KeyOf = string | ((...args: never[]) => string);

/** Runs calls with the same key once. */
export interface DedupeOptions {
  /**
   * The key: calls of a task with the same key run once. May be a function of the call's arguments.
   */
  key: KeyOf;
  /**
   * How long after a task was added later calls with its key add nothing, even if it has settled.
   * Without `window` they add nothing until it settles.
   * @default none
   */
  window?: Duration | undefined;
  /**
   * For calls that report a change. A call that comes while the task runs makes it run once more
   * afterwards. A call that comes before the first attempt gives its arguments to the waiting task.
   * The latest arguments count. The handle of a call whose arguments went to another task settles
   * as `dropped` (`duplicate`). Not together with `window`.
   * @default false
   */
  again?: boolean | undefined;
}

/** Merges several calls into one run. */
export interface BatchOptions {
  /** The largest number of items of one run. A single call with more items runs alone. */
  size: number;
  /** How long the first call of a batch waits for others. */
  wait: Duration;
}

/** How a task runs. The narrowest level wins: call, `@Background()`, queue, module, default. */
export interface TaskOptions {
  /** The name of the task in logs, in events and in a store. @default the function's name */
  name?: string | undefined;
  /** The queue of the task. It must be declared in the module. @default 'default' */
  queue?: string | undefined;
  /** The priority of the task within its queue. @default 'normal' */
  priority?: Priority | undefined;
  /** The minimum time between the release of the task and its start. @default 0 */
  delay?: Duration | undefined;
  /**
   * The retry policy, or `false` for a single attempt. It is merged over the policy of the wider
   * level.
   * @default false
   */
  retry?: false | RetryOptions | undefined;
  /** After this long an attempt counts as failed and its `signal` aborts. @default none */
  timeout?: Duration | undefined;
  /**
   * After a timeout or a cancellation, waits for the body to end: until then the task keeps its
   * slot and its keys, and no further attempt begins. Use it for bodies that cannot be aborted and
   * must not run twice at a time. A shutdown does not wait longer for the task.
   * @default false
   */
  waitForEnd?: boolean | undefined;
  /**
   * The end of its request after which the task runs: `'success'` if the status of the answer is
   * below 400, `'failure'` if it is not, `'always'` in both cases. Outside a request the task runs.
   * @default 'success'
   */
  when?: When | undefined;
  /**
   * While a task with the same name, queue and key is pending or running, or its window is open,
   * `addTask()` adds nothing and returns the first one's handle.
   * @default none
   */
  dedupe?: DedupeOptions | undefined;
  /**
   * Tasks of a queue with the same key share its `concurrencyPerKey`. So one tenant cannot take all
   * slots.
   * @default none
   */
  concurrencyKey?: KeyOf | undefined;
}

/** The options of `@Background()`: all task options, and some that only a method can have. */
export interface BackgroundOptions extends TaskOptions, ScheduleOptions {
  /**
   * For a method that takes one array: calls are merged into one run with their arrays joined, and
   * each call's handle settles with it.
   * @default none
   */
  batch?: BatchOptions | undefined;
  /** Former names of the task. Calls that were stored under them are still found. @default [] */
  aliases?: readonly string[] | undefined;
  /**
   * Writes a `.cpuprofile` of the process for each attempt, into the working directory or into the
   * existing directory named here. Use it to find a cause, because sampling slows the process down.
   * @default false
   */
  profile?: boolean | string | undefined;
}

/** Makes TypeScript tell options from a function, which has a `name` and would pass for them. @inline */
export interface NotAFunction {
  apply?: never;
}

/** A complete retry policy; `attempts: 1` means no retries. */
export interface RetryPolicy {
  readonly attempts: number;
  readonly backoff: 'exponential' | 'fixed' | BackoffFunction;
  readonly delayMs: number;
  readonly factor: number;
  readonly maxDelayMs: number;
  readonly jitter: 'full' | 'none';
  readonly retryIf: ((error: unknown, attempt: number) => boolean) | undefined;
}

/** Merged task options: complete, in milliseconds, frozen. */
export interface TaskSettings {
  /** `undefined` to use the function's name. */
  readonly name: string | undefined;
  readonly queue: string;
  readonly priority: Priority;
  readonly delayMs: number;
  readonly retry: RetryPolicy;
  readonly timeoutMs: number | undefined;
  readonly waitForEnd: boolean;
  readonly when: When;
  readonly dedupe:
    { readonly key: KeyOf; readonly windowMs: number; readonly again: boolean } | undefined;
  readonly concurrencyKey: KeyOf | undefined;
  readonly batch: { readonly size: number; readonly waitMs: number } | undefined;
  /** The directory that profiles go to. */
  readonly profile: string | undefined;
}

/**
 * The result type of a task whose function returns `Returned`. A method that returns nothing may
 * pass on any value.
 * @inline
 */
export type ResultOf<Returned> = [Awaited<Returned>] extends [void] ? unknown : Awaited<Returned>;
