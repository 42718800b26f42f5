interface RawResponse {
  readonly headersSent?: boolean;
  readonly statusCode?: number;
}

/**
 * Whether a request that reached no handler's end was answered well: by a middleware with a status
 * below 400, or by a stream whose client left. A guard's 403, a 404 and a client that left before
 * anything was sent are not.
 *
 * @param response the response of Node.js, or Fastify's reply around it
 */
export function wasAnswered(response: object | undefined): boolean {
  const raw = ((response as { raw?: object } | undefined)?.raw ?? response) as
    RawResponse | undefined;
  return raw?.headersSent === true && (raw.statusCode ?? 0) < 400;
}
