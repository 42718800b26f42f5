import type { ServerResponse } from 'node:http';
import type { TemporaryError } from '../../errors/temporary.error.js';

const asked = new WeakSet<object>();

/**
 * Has the response say when to come back, where `error` is why it will be a 503. Whether it will is
 * for its head to tell: whoever asked for too much may yet do without.
 *
 * @param response the response of Node.js
 */
export function askToRetryLater(error: TemporaryError, response: object): void {
  const server = response as ServerResponse;
  const writeHead: unknown = Reflect.get(server, 'writeHead');
  if (typeof writeHead === 'function' && !asked.has(server)) {
    asked.add(server); // once each: a handler may go on trying in a loop
    // Node.js itself calls it where nobody else has, and nobody is told before it.
    server.writeHead = (...head: unknown[]) => {
      if (head[0] === 503 && !server.hasHeader('Retry-After')) {
        server.setHeader('Retry-After', String(error.retryAfterSeconds));
      }
      return Reflect.apply(writeHead, server, head) as ServerResponse;
    };
  }
}
