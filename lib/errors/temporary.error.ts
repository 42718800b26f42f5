import { HttpException } from '@nestjs/common';

/**
 * An error whose cause may be over in a moment. Being an `HttpException`, it makes Nest answer the
 * request with 503 and `Retry-After`, without logging each one.
 */
export abstract class TemporaryError extends HttpException {
  /** What went wrong, for programs: stable across releases. */
  abstract readonly code: `BGT_${string}`;
  /** The status of the answer, under the name that Fastify reads. */
  readonly statusCode = 503;
  /** The value of the `Retry-After` header of the answer, in seconds. */
  readonly retryAfterSeconds = 1;

  constructor(message: string, options?: ErrorOptions) {
    // The message names queues and limits, which are none of the client's business.
    super({ statusCode: 503, message: 'Service Unavailable' }, 503);
    for (const [key, value] of Object.entries({ message, cause: options?.cause })) {
      Object.defineProperty(this, key, { value, enumerable: false });
    }
    Error.captureStackTrace(this, new.target); // now that it has its message
  }
}
