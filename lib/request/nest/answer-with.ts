import type { ServerResponse } from 'node:http';

/** Fastify's reply, as far as it is needed here. */
export interface FastifyReply {
  readonly sent: boolean;
  send(payload: unknown): unknown;
}

/** Who answers with an error: what follows a middleware, or Fastify's reply. */
export type Answerer = FastifyReply | ((error: unknown) => void);

/**
 * Answers with an error, of which nothing was sent so far: through the exception filters where they can
 * be reached. A handler may have told the framework that the response is its own.
 */
export function answerWith(error: unknown, response: object, answerer: Answerer | undefined): void {
  if (typeof answerer === 'function') {
    return answerer(error);
  }
  if (answerer?.sent === false) {
    answerer.send(error);
  } else {
    const body = JSON.stringify({ statusCode: 503, message: 'Service Unavailable' });
    const head = { 'Content-Type': 'application/json' };
    (response as ServerResponse).writeHead(503, head).end(body);
  }
}
