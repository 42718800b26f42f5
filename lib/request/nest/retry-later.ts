import type { ServerResponse } from 'node:http';
import type { TemporaryError } from '../../errors/temporary.error.js';

const asked = new WeakSet<object>();

/**
 * Adds `Retry-After` if the response leaves as a 503. Only its head tells: the handler may recover
 * from `error`.
 *
 * @param response the response of Node.js
 */
export function askToRetryLater(error: TemporaryError, response: object): void {
  const server = response as ServerResponse;
  const writeHead: unknown = Reflect.get(server, 'writeHead');
  if (typeof writeHead === 'function' && !asked.has(server)) {
    asked.add(server); // once per response: a handler may retry in a loop
    // Node.js calls writeHead() where no other code has, and emits nothing before it.
    server.writeHead = (...head: unknown[]) => {
      if (head[0] === 503 && !server.hasHeader('Retry-After')) {
        server.setHeader('Retry-After', String(error.retryAfterSeconds));
      }
      return Reflect.apply(writeHead, server, head) as ServerResponse;
    };
  }
}
