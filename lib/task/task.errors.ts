import { BackgroundTasksError } from '../errors/background-tasks.error.js';
import { InvalidOptionError } from '../errors/misuse.errors.js';
import { DURATION_FORMAT, toMilliseconds, type Duration } from './duration.js';

/** Throw it in a task to fail for good: no further attempt follows, whatever the retry policy says. */
export class UnrecoverableError extends BackgroundTasksError {
  readonly code = 'BGT_UNRECOVERABLE';

  /**
   * @param message the reason, for the log and the events
   * @param options `cause`: the error behind this one
   */
  constructor(message = 'The task cannot succeed.', options?: ErrorOptions) {
    super(message, options);
  }
}

/**
 * Options of a `RetryLaterError`: `cause`, and whether it uses up an attempt.
 *
 * @inline
 */
export interface RetryLaterOptions extends ErrorOptions {
  /** Whether this attempt uses up one of the `attempts` of the retry policy. @default true */
  usesAttempt?: boolean;
}

/**
 * Sources for `RetryLaterError.after()`: a response, its headers, or a `Retry-After` value.
 *
 * @inline
 */
export type RetryAfter = object | string | number | null | undefined;

/** The longest wait that a server may impose: its `Retry-After` is not to be trusted. */
const MAX_AFTER_MS = 86_400_000;

/**
 * Throw it in a task to set the time of the next attempt (a `Retry-After` header, a maintenance
 * window). It replaces the wait of the retry policy and does not lengthen later waits. `attempts`
 * still limits the attempts, unless `usesAttempt` is `false`.
 */
export class RetryLaterError extends BackgroundTasksError {
  readonly code = 'BGT_RETRY_LATER';
  /** The wait before the next attempt, in milliseconds; `undefined` if the retry policy decides. */
  readonly delayMs: number | undefined;
  /** Whether this attempt uses up one of the `attempts` of the retry policy. */
  readonly usesAttempt: boolean;

  /**
   * @param delay milliseconds or a string such as `'90s'`
   * @param message for the log and the events; by default it says that the task asked for `delay`
   * @param options `cause`: the error behind this one; `usesAttempt`: `false` if the attempt does
   * not count
   * @throws InvalidOptionError if `delay` is not a duration; it keeps the message and the cause
   */
  constructor(delay: Duration, message?: string, options: RetryLaterOptions = {}) {
    super(message ?? `The task asked for its next attempt after ${String(delay)}.`, options);
    const delayMs = toMilliseconds(delay);
    if (delayMs === undefined) {
      const said = message === undefined ? '' : ` The message was: ${message}`;
      const refusal = new InvalidOptionError(
        'RetryLaterError(delay)',
        `expected ${DURATION_FORMAT}, got ${String(delay)}. RetryLaterError.after(response) reads a ` +
          `Retry-After header, whatever it holds.${said}`,
      );
      throw Object.assign(refusal, { cause: options.cause });
    }
    this.delayMs = delayMs;
    this.usesAttempt = options.usesAttempt ?? true;
  }

  /**
   * Waits as long as the `Retry-After` of a response says, at most a day. If the header is missing,
   * past or unreadable, the retry policy decides.
   *
   * @param from a response of `fetch()`, axios, got or `node:http`, its headers, a header's value
   * (seconds or a date), or a `Date`
   * @param message for the log and the events; by default it says what the service asked for
   * @param options as for the constructor
   */
  static after(from: RetryAfter, message?: string, options?: RetryLaterOptions): RetryLaterError {
    const saidMs = millisecondsUntil(from);
    const isSaid = saidMs > 0; // neither past nor NaN
    const delayMs = Math.min(saidMs, MAX_AFTER_MS);
    const asked = isSaid
      ? `The service asked for its next attempt after ${Math.ceil(saidMs / 1_000)} s${
          saidMs > delayMs ? '; it follows after a day' : ''
        }.`
      : 'The service did not say when to try again. The retry policy decides.';
    const error = new RetryLaterError(isSaid ? delayMs : 0, message ?? asked, options);
    return isSaid ? error : Object.assign(error, { delayMs: undefined });
  }
}

/** NaN if nothing can be read. Never throws: that would hide the task's own error. */
function millisecondsUntil(from: RetryAfter): number {
  try {
    const said = typeof from === 'object' && !(from instanceof Date) ? headerOf(from) : from;
    if (
      typeof said === 'number' ||
      (typeof said === 'string' && /^\s*\d+(?:\.\d+)?\s*$/.test(said))
    ) {
      return Number(said) * 1_000;
    }
    return new Date(said as string | Date).getTime() - Date.now();
  } catch {
    return Number.NaN;
  }
}

/** Reads a response or its headers: `Headers`, or an object with any case of the name. */
function headerOf(from: object | null): unknown {
  const { headers = from as Partial<Headers> } = (from ?? {}) as { headers?: Partial<Headers> };
  if (typeof headers.get === 'function') {
    return headers.get('retry-after') ?? Number.NaN;
  }
  const entry = Object.entries(headers).find(([key]) => key.toLowerCase() === 'retry-after');
  return [entry?.[1] ?? Number.NaN].flat()[0];
}

/** An attempt took longer than its `timeout`. Also the reason of its aborted `signal`. */
export class TaskTimeoutError extends BackgroundTasksError {
  readonly code = 'BGT_TIMEOUT';

  constructor(
    /** The name of the task. */
    readonly taskName: string,
    /** The timeout, in milliseconds. */
    readonly timeoutMs: number,
  ) {
    super(`Task "${taskName}" was still running after its timeout of ${timeoutMs} ms.`);
  }
}

/** The reason of the `signal` of a task that was cancelled while it ran. */
export class TaskCancelledError extends BackgroundTasksError {
  readonly code = 'BGT_CANCELLED';

  constructor(
    /** The name of the task. */
    readonly taskName: string,
  ) {
    super(`Task "${taskName}" was cancelled.`);
  }
}

/** The reason of the `signal` of a task that the shutdown could not wait for. */
export class TaskAbandonedError extends BackgroundTasksError {
  readonly code = 'BGT_ABANDONED';

  constructor(
    /** The name of the task. */
    readonly taskName: string,
  ) {
    super(`Task "${taskName}" was abandoned: the application is shutting down.`);
  }
}
