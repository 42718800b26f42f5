import type { Duration } from './duration.js';

/** `'high'` overtakes `'normal'`, `'normal'` overtakes `'low'`; first in, first out within one. */
export type Priority = 'high' | 'normal' | 'low';

/** On which end of the handler a collected task runs. */
export type When = 'success' | 'failure' | 'always';

/** How long to wait before the attempt that follows number `attempt` (1 for the first). */
export type BackoffFunction = (attempt: number, error: unknown) => Duration;

/** When a failed attempt is followed by another, and after how long. */
export interface RetryOptions {
  /** How often the task is tried in all, the first attempt included. A whole number, 1 or more. */
  attempts?: number;
  /**
   * How the wait grows: `'exponential'` (`delay × factor^(attempt − 1)`), `'fixed'` (`delay`), or a
   * function of the attempt that failed and its error. What a function returns is taken as it is:
   * `maxDelay` and `jitter` do not apply.
   * @default 'exponential'
   */
  backoff?: 'exponential' | 'fixed' | BackoffFunction;
  /** The wait after the first failed attempt. @default '1s' */
  delay?: Duration;
  /** What an exponential wait is multiplied by after each attempt. 1 or more. @default 2 */
  factor?: number;
  /** No wait is longer. @default '30s' */
  maxDelay?: Duration;
  /**
   * `'full'` waits a random time between 0 and the computed wait, so that tasks which failed
   * together do not come back together; `'none'` waits exactly that long.
   * @default 'full'
   */
  jitter?: 'full' | 'none';
  /** Return `false` to fail at once: `error` is what attempt number `attempt` threw. */
  retryIf?: (error: unknown, attempt: number) => boolean;
}

/** How one task is to run. Precedence: call, `@Background()`, queue, module, default. */
export interface TaskOptions {
  /** What the task is called in logs and events. @default the function's name */
  name?: string;
  /** The queue it waits in; it must be declared in the module. @default 'default' */
  queue?: string;
  /** @default 'normal' */
  priority?: Priority;
  /** Do not start before this much time has passed since the task was released. @default 0 */
  delay?: Duration;
  /** `false` for a single attempt. Given options are merged over those of the wider level. @default false */
  retry?: false | RetryOptions;
  /** After this long an attempt counts as failed and its `signal` aborts. @default none */
  timeout?: Duration;
  /**
   * On which end of the handler the task runs: `'success'` if it completed without throwing,
   * `'failure'` if it threw or the request was refused, `'always'` either way. Outside a request
   * there is no handler and the task runs.
   * @default 'success'
   */
  when?: When;
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
  readonly when: When;
}
