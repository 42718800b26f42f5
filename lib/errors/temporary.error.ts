import { BackgroundTasksError } from './background-tasks.error.js';

/** Not now, maybe in a moment. Nest answers a request that it fails with 503 and `Retry-After`. */
export abstract class TemporaryError extends BackgroundTasksError {
  // The shape of an http-errors error, which is what Nest looks for; the message is not for clients.
  readonly status = 503;
  readonly statusCode = 503;
  readonly expose = false;
  /** What the `Retry-After` header of the answer says. */
  readonly retryAfterSeconds = 1;
}
