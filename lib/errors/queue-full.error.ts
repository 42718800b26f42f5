import { BackgroundTasksError } from './background-tasks.error.js';

/**
 * A queue holds as many pending tasks as it may. Nest answers a request that it fails with 503.
 */
export class QueueFullError extends BackgroundTasksError {
  readonly code = 'BGT_QUEUE_FULL';
  // The shape of an http-errors error, which is what Nest looks for; the message is not for clients.
  readonly status = 503;
  readonly statusCode = 503;
  readonly expose = false;
  /** What the `Retry-After` header of the answer says. */
  readonly retryAfterSeconds = 1;

  constructor(
    readonly queue: string,
    readonly maxPending: number,
  ) {
    super(
      `Queue "${queue}" is full: ${maxPending} tasks are pending. Try again later, raise its ` +
        "maxPending, or set overflow: 'drop-oldest'.",
    );
  }
}
