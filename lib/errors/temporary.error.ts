import { BackgroundTasksError } from './background-tasks.error.js';

/**
 * An error that may be over in a moment. Nest answers a request that fails with it with 503 and
 * `Retry-After`.
 */
export abstract class TemporaryError extends BackgroundTasksError {
  // The shape of an http-errors error, which is what Nest looks for.
  /** The status of the answer. */
  readonly status = 503;
  /** The same, by the name that Fastify looks for. */
  readonly statusCode = 503;
  /** The message names queues and limits, which are none of the client's business. */
  readonly expose = false;
  /** The value of the `Retry-After` header of the answer, in seconds. */
  readonly retryAfterSeconds = 1;
}
