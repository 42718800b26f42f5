import { BackgroundTasksError } from './background-tasks.error.js';

/**
 * A queue holds as many pending tasks as it may. Nest answers a request that it fails with 503.
 */
export class QueueFullError extends BackgroundTasksError {
  readonly code = 'BGT_QUEUE_FULL';
  // The shape of an http-errors error, which is what Nest looks for.
  /** The status of the answer. */
  readonly status = 503;
  /** The same, by the name that Fastify looks for. */
  readonly statusCode = 503;
  /** The message names a queue and its limit, which are none of the client's business. */
  readonly expose = false;
  /** What the `Retry-After` header of the answer says. */
  readonly retryAfterSeconds = 1;

  constructor(
    /** The queue that is full. */
    readonly queue: string,
    /** How many tasks may be pending in it. */
    readonly maxPending: number,
  ) {
    super(
      `Queue "${queue}" is full: ${maxPending} tasks are pending. Try again later, raise its ` +
        "maxPending, or set overflow: 'drop-oldest'.",
    );
  }
}
