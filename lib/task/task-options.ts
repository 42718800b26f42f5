import type { Duration } from './duration.js';
import type { ScheduleOptions } from './schedule-options.js';

/** `'high'` overtakes `'normal'`, `'normal'` overtakes `'low'`; first in, first out within one. */
export type Priority = 'high' | 'normal' | 'low';

/** On which end of the handler a collected task runs. */
export type When = 'success' | 'failure' | 'always';

/** How long to wait before the attempt that follows number `attempt` (1 for the first). */
export type BackoffFunction = (attempt: number, error: unknown) => Duration;

/** When a failed attempt is followed by another, and after how long. */
export interface RetryOptions {
  /**
   * How often the task is tried in all, the first attempt included. A whole number, 1 or more.
   * @default that of the wider level; an InvalidOptionError where none has one
   */
  attempts?: number | undefined;
  /**
   * How the wait grows: `'exponential'` (`delay × factor^(attempt − 1)`), `'fixed'` (`delay`), or a
   * function of the attempt that failed and its error. What a function returns is taken as it is:
   * `maxDelay` and `jitter` do not apply.
   * @default 'exponential'
   */
  backoff?: 'exponential' | 'fixed' | BackoffFunction | undefined;
  /** The wait after the first failed attempt. @default '1s' */
  delay?: Duration | undefined;
  /** What an exponential wait is multiplied by after each attempt. 1 or more. @default 2 */
  factor?: number | undefined;
  /**
   * No wait is longer. A `delay` that is set and longer than this is refused.
   * @default '30s', or `delay` where that is longer
   */
  maxDelay?: Duration | undefined;
  /**
   * `'full'` waits a random time between 0 and the computed wait, so that tasks which failed
   * together do not come back together; `'none'` waits exactly that long.
   * @default 'full'
   */
  jitter?: 'full' | 'none' | undefined;
  /**
   * Return `false` to fail at once: `error` is what attempt number `attempt` threw.
   * @default retries after any error
   */
  retryIf?: ((error: unknown, attempt: number) => boolean) | undefined;
}

/** Computes a key from the arguments of the call, or is the key. */
export type KeyOf = string | ((...args: never[]) => string);

/** One run for calls that mean the same. */
export interface DedupeOptions {
  /** What makes two calls of a task the same: a key, or a function of the call's arguments. */
  key: KeyOf;
  /**
   * For how long after it was added a task stands for later calls, even if it has settled. Without
   * it, until it settles.
   * @default none
   */
  window?: Duration | undefined;
  /**
   * For calls that tell of a change: one that comes while the task runs makes it run once more
   * afterwards, with the arguments of the latest such call. One that comes before its first attempt
   * gives it its arguments. The handle of a call whose arguments went to another task settles as
   * `dropped` (`duplicate`). Not together with `window`.
   * @default false
   */
  again?: boolean | undefined;
}

/** Several calls, one run. */
export interface BatchOptions {
  /** As many items at most are passed to one run; a single call with more is passed as it is. */
  size: number;
  /** How long the first call of a batch waits for others. */
  wait: Duration;
}

/** How one task is to run. Precedence: call, `@Background()`, queue, module, default. */
export interface TaskOptions {
  /** What the task is called in logs and events. @default the function's name */
  name?: string | undefined;
  /** The queue it waits in; it must be declared in the module. @default 'default' */
  queue?: string | undefined;
  /** Which waiting tasks of its queue it overtakes. @default 'normal' */
  priority?: Priority | undefined;
  /** Do not start before this much time has passed since the task was released. @default 0 */
  delay?: Duration | undefined;
  /** `false` for a single attempt. Given options are merged over those of the wider level. @default false */
  retry?: false | RetryOptions | undefined;
  /** After this long an attempt counts as failed and its `signal` aborts. @default none */
  timeout?: Duration | undefined;
  /**
   * After a timeout or a cancellation, waits for the body to end: until then the task keeps its slot and
   * its keys, and no further attempt begins. For bodies that cannot be aborted and must not run twice
   * at a time. A shutdown does not wait longer for it.
   * @default false
   */
  waitForEnd?: boolean | undefined;
  /**
   * For which end of its request the task runs: `'success'` if the status of the answer is below 400,
   * `'failure'` if it is not, `'always'` either way. Outside a request the task runs.
   * @default 'success'
   */
  when?: When | undefined;
  /**
   * While a task with the same name, queue and key is pending or running, or its window is open,
   * adding another returns the first one's handle and nothing runs twice.
   * @default none
   */
  dedupe?: DedupeOptions | undefined;
  /**
   * Tasks of a queue with the same key share its `concurrencyPerKey`, so that one tenant cannot
   * take all slots.
   * @default none
   */
  concurrencyKey?: KeyOf | undefined;
}

/** What `@Background()` takes: a task's options, and what makes sense for a method only. */
export interface BackgroundOptions extends TaskOptions, ScheduleOptions {
  /**
   * For a method that takes one array: calls are merged into one run with their arrays joined, and
   * each call's handle settles with it.
   * @default none
   */
  batch?: BatchOptions | undefined;
  /** Names that the task used to have: calls stored under them are still found. @default [] */
  aliases?: readonly string[] | undefined;
  /**
   * Samples the process while each attempt runs, into a `.cpuprofile` in the working directory, or
   * in the directory named here, which must exist. For finding out, not for everyday use: sampling
   * slows the process down.
   * @default false
   */
  profile?: boolean | string | undefined;
}

/**
 * Makes TypeScript look for options first: a function has a `name`, and would pass for them.
 * @inline
 */
export interface NotAFunction {
  apply?: never;
}

/** A retry policy with everything filled in; `attempts: 1` means none. */
export interface RetryPolicy {
  readonly attempts: number;
  readonly backoff: 'exponential' | 'fixed' | BackoffFunction;
  readonly delayMs: number;
  readonly factor: number;
  readonly maxDelayMs: number;
  readonly jitter: 'full' | 'none';
  readonly retryIf: ((error: unknown, attempt: number) => boolean) | undefined;
}

/** Task options after the merge: complete, in milliseconds, frozen. */
export interface TaskSettings {
  /** `undefined` where the function's own name counts. */
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
 * What a task has as its result whose function returns this: a method that returns nothing may hand over
 * anything.
 * @inline
 */
export type ResultOf<Returned> = [Awaited<Returned>] extends [void] ? unknown : Awaited<Returned>;
