/** The part of Node's response that is needed here, over HTTP/1 and HTTP/2. */
interface RawResponse {
  readonly req?: { readonly socket?: { readonly destroyed?: boolean } | null };
  readonly writableFinished?: boolean;
  readonly destroyed?: boolean;
  readonly headersSent?: boolean;
  readonly statusCode?: number;
  /** The head as it was sent over HTTP/1. */
  readonly _header?: unknown;
  /** Only over HTTP/2. */
  readonly stream?: { readonly sentHeaders?: Record<string, unknown> };
}

/** Node's response, which Fastify's reply wraps. */
export function rawResponse(response: object): object {
  return (response as { raw?: object }).raw ?? response;
}

/**
 * The status in the head that was sent; `undefined` before. It is read from the head where Node
 * shows that: the client never sees a `statusCode` that was assigned afterwards.
 */
export function sentStatusOf(response: object): number | undefined {
  const { headersSent, statusCode, _header: head, stream } = response as RawResponse;
  if (headersSent !== true) {
    return undefined;
  }
  const shown = typeof head === 'string' ? head.slice(9, 12) : stream?.sentHeaders?.[':status'];
  const sent = Number(shown);
  return sent >= 100 ? sent : statusCode;
}

/** Whether the response has finished, or never will. */
export function isResponseClosed(response: object): boolean {
  const { writableFinished, destroyed, req } = response as RawResponse;
  return writableFinished === true || destroyed === true || req?.socket?.destroyed === true;
}

/**
 * Calls `callback` when a client that has left is answered. An answer starts with a head, or at
 * once with the end of a body, for which Node no longer makes a head.
 */
export function onceAnswered(response: object, callback: (status: number) => void): void {
  const answered = response as Record<'writeHead' | 'end', unknown> & RawResponse;
  for (const name of ['writeHead', 'end'] as const) {
    const own = answered[name];
    if (typeof own === 'function') {
      answered[name] = (...args: unknown[]): unknown => {
        const { statusCode = 200 } = answered;
        const given: unknown = Reflect.apply(own, response, args);
        callback(sentStatusOf(response) ?? statusCode);
        return given;
      };
    }
  }
}
