interface RawResponse {
  readonly headersSent?: boolean;
  readonly statusCode?: number;
  /** Fastify's reply has the response of Node.js here. */
  readonly raw?: RawResponse;
}

/**
 * Whether a request that reached no handler's end was answered well: by a middleware with a status
 * below 400, or by a stream whose client left. A guard's 403, a 404 and a client that left before
 * anything was sent are not.
 *
 * @param response the response of Node.js, or Fastify's reply around it
 */
export function wasAnswered(response: RawResponse | undefined): boolean {
  const raw = response?.raw ?? response;
  return raw?.headersSent === true && (raw.statusCode ?? 0) < 400;
}
