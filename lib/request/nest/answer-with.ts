import type { ServerResponse } from 'node:http';

/** Fastify's reply, as far as it is needed here. */
export interface FastifyReply {
  readonly sent: boolean;
  getHeaders(): object;
  removeHeader(name: string): unknown;
  send(payload: unknown): unknown;
}

/** Who answers with an error: what follows a middleware, or Fastify's reply. */
export type Answerer = FastifyReply | ((error: unknown) => void);

/** What is said of a body that will not be sent. */
const OF_THE_BODY = /^(content-|transfer-encoding$|etag$|last-modified$|cache-control$|expires$)/;

/**
 * Answers with an error, of which nothing was sent so far: through the exception filters where they can
 * be reached. A handler may have told the framework that the response is its own.
 */
export function answerWith(error: unknown, response: object, answerer: Answerer | undefined): void {
  const server = response as ServerResponse;
  const isReply = typeof answerer === 'object' && !answerer.sent;
  const answer = isReply ? answerer : server;
  Object.keys(answer.getHeaders())
    .filter((name) => OF_THE_BODY.test(name))
    .forEach((name) => answer.removeHeader(name));
  if (typeof answerer === 'function') {
    answerer(error);
  } else if (isReply) {
    answerer.send(error);
  } else {
    const body = JSON.stringify({ statusCode: 503, message: 'Service Unavailable' });
    server.writeHead(503, { 'Content-Type': 'application/json' }).end(body);
  }
}
