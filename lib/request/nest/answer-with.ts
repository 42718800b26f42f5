import type { ServerResponse } from 'node:http';

/** The part of Fastify's reply that is needed here. */
export interface FastifyReply {
  readonly sent: boolean;
  getHeaders(): object;
  removeHeader(name: string): unknown;
  send(payload: unknown): unknown;
}

/** Sends an error: the `next` of a middleware, or Fastify's reply. */
export type Answerer = FastifyReply | ((error: unknown) => void);

/** Headers that describe a body, which will not be sent. */
const OF_THE_BODY = /^(content-|transfer-encoding$|etag$|last-modified$|cache-control$|expires$)/;

/**
 * Sends an error in place of an answer of which nothing was sent. It passes the exception filters
 * where they can be reached: a handler may have taken the response over from the framework.
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
