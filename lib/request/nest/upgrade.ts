import { rawOf } from '../life-of-request.js';
import { sentStatusOf } from './response.js';

interface Writing {
  write: (...args: unknown[]) => unknown;
}

const SWITCHING_PROTOCOLS = 101;
const STATUS_LINE = /^HTTP\/1\.\d (\d{3})/;

/**
 * Watches a request whose connection Node has given to a listener of `upgrade`, and which a framework
 * routes all the same (`@fastify/websocket`, `express-ws`). The response may still be sent. If somebody
 * else writes to the socket first, the connection has been taken over, and the response never closes.
 *
 * @param takenOver called with the status that was written; at once if the response has no socket
 */
export function watchUpgrade(
  request: object,
  response: object,
  takenOver: (status: number) => void,
): void {
  if ((rawOf(request) as { readonly upgrade?: unknown }).upgrade !== true) {
    return;
  }
  const { socket } = response as { readonly socket?: Writing | null };
  if (typeof socket?.write !== 'function') {
    return takenOver(SWITCHING_PROTOCOLS);
  }
  const own = socket.write;
  const isInherited = !Object.hasOwn(socket, 'write');
  let isWatched = true;
  const look = (written: unknown): void => {
    const isAnswered = sentStatusOf(response) !== undefined;
    const status = Number(STATUS_LINE.exec(String(written))?.[1] ?? SWITCHING_PROTOCOLS);
    const isInterim = status < 200 && status !== SWITCHING_PROTOCOLS;
    if (isAnswered || !isInterim) {
      isWatched = false;
      if (!isAnswered) takenOver(status);
    }
  };
  const write = (...args: unknown[]): unknown => {
    if (isWatched) {
      look(args[0]);
    }
    // Where another function was put around this one, this one has to stay.
    if (!isWatched && socket.write === write) {
      if (isInherited) Reflect.deleteProperty(socket, 'write');
      else socket.write = own;
    }
    return Reflect.apply(own, socket, args);
  };
  socket.write = write;
}
