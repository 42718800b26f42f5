import { BackgroundTasksError } from '../errors/background-tasks.error.js';
import { InvalidOptionError } from '../errors/misuse.errors.js';
import { DURATION_FORMAT, toMilliseconds, type Duration } from './duration.js';

/** Throw it in a task to fail for good: no further attempt, whatever the retry policy says. */
export class UnrecoverableError extends BackgroundTasksError {
  readonly code = 'BGT_UNRECOVERABLE';

  /**
   * @param message why not, for the log and the events
   * @param options `cause`: the error that told
   */
  constructor(message = 'The task cannot succeed.', options?: ErrorOptions) {
    super(message, options);
  }
}

/**
 * Throw it in a task to say when the next attempt makes sense (a `Retry-After` header, a
 * maintenance window). It replaces the policy's wait; `attempts` still bounds the tries.
 */
export class RetryLaterError extends BackgroundTasksError {
  readonly code = 'BGT_RETRY_LATER';
  /** How long to wait before the next attempt, in milliseconds. */
  readonly delayMs: number;

  /**
   * @param delay milliseconds or a string such as `'90s'`
   * @param message what the log and the events say; without it that the task asked for `delay`
   * @param options `cause`: the error that told
   * @throws InvalidOptionError where `delay` is not a duration
   */
  constructor(delay: Duration, message?: string, options?: ErrorOptions) {
    super(message ?? `The task asked for its next attempt after ${String(delay)}.`, options);
    const delayMs = toMilliseconds(delay);
    if (delayMs === undefined) {
      throw new InvalidOptionError(
        'RetryLaterError(delay)',
        `expected ${DURATION_FORMAT}, got ${String(delay)}.`,
      );
    }
    this.delayMs = delayMs;
  }
}

/** An attempt took longer than its `timeout`. It is also the reason of the aborted `signal`. */
export class TaskTimeoutError extends BackgroundTasksError {
  readonly code = 'BGT_TIMEOUT';

  constructor(
    /** The name of the task. */
    readonly taskName: string,
    /** What it was given, in milliseconds. */
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
