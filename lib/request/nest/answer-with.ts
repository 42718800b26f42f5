import {
  STATUS_CODES,
  validateHeaderName,
  validateHeaderValue,
  type ServerResponse,
} from 'node:http';
import { TemporaryError } from '../../errors/temporary.error.js';

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
 * Sends an error in place of an answer whose head is not out. It passes the exception filters where
 * they can be reached: a handler may have taken the response over from the framework.
 */
export function answerWith(error: unknown, response: object, answerer: Answerer | undefined): void {
  const server = response as ServerResponse;
  const isReply = typeof answerer === 'object' && !answerer.sent;
  const answer = isReply ? answerer : server;
  if (!server.headersSent) {
    Object.entries(answer.getHeaders())
      .filter(([name, value]) => OF_THE_BODY.test(name) || !isSendable(name, value))
      .forEach(([name]) => answer.removeHeader(name));
    if (Object.hasOwn(server, 'statusMessage')) {
      server.statusMessage = ''; // of a status that will not be sent
    }
  }
  if (typeof answerer === 'function') {
    answerer(error);
  } else if (isReply) {
    // What is no error is a body to it, such as one of Node.js under Jest.
    answerer.send(error instanceof Error ? error : new Error(String(error), { cause: error }));
  } else if (server.headersSent) {
    server.destroy();
  } else {
    const statusCode = error instanceof TemporaryError ? 503 : 500;
    const body = JSON.stringify({ statusCode, message: STATUS_CODES[statusCode] });
    server.writeHead(statusCode, { 'Content-Type': 'application/json' }).end(body);
  }
}

/** Fastify has Node.js look at a header no sooner than it is sent. */
function isSendable(name: string, value: string): boolean {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}
