import { rawOf } from '../life-of-request.js';
import { sentStatusOf } from './response.js';

type Write = (...args: unknown[]) => unknown;

interface Writing {
  write: Write;
  end: Write;
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
  let isWatched = true;
  const look = (written: string | Uint8Array): void => {
    const isAnswered = sentStatusOf(response) !== undefined;
    const [, digits] = STATUS_LINE.exec(textOf(written)) ?? [];
    const status = Number(digits ?? SWITCHING_PROTOCOLS);
    const isInterim = status < 200 && status !== SWITCHING_PROTOCOLS;
    if (isAnswered || !isInterim) {
      isWatched = false;
      if (!isAnswered) takenOver(status);
    }
  };
  const restores = (['write', 'end'] as const).map((name) => {
    const own = socket[name];
    const isInherited = !Object.hasOwn(socket, name);
    const watching: Write = (...args) => {
      const [written] = args; // `end` may get none, or a callback in its place
      if (isWatched && (typeof written === 'string' || written instanceof Uint8Array)) {
        look(written);
      }
      if (!isWatched) restores.forEach((restore) => restore());
      return Reflect.apply(own, socket, args);
    };
    socket[name] = watching;
    return () => {
      // Where another function was put around this one, this one has to stay.
      if (socket[name] === watching) {
        if (isInherited) Reflect.deleteProperty(socket, name);
        else socket[name] = own;
      }
    };
  });
}

/** The beginning, as far as the status is in it. */
function textOf(written: string | Uint8Array): string {
  return typeof written === 'string'
    ? written
    : Buffer.from(written.subarray(0, 12)).toString('latin1');
}
