import { ServerResponse } from 'node:http';
import { Socket as Connection } from 'node:net';
import { Stream } from 'node:stream';

/** The part of a socket that tells when it is gone. */
interface Socket {
  readonly destroyed?: boolean;
  once(event: 'close', listener: () => void): unknown;
}

interface RawResponse {
  readonly req?: { readonly socket?: Socket | null };
  readonly writableFinished?: boolean;
  readonly destroyed?: boolean;
}

/** Whether {@link onceResponseClosed} would call back at once. */
export function isResponseClosed(response: object): boolean {
  const { writableFinished, destroyed, req } = rawOf(response);
  return writableFinished === true || destroyed === true || req?.socket?.destroyed === true;
}

/**
 * Calls `callback` once, when the response is over the way Nest judges it: the response has
 * finished or was torn down, or its connection has closed. The connection is watched too, because
 * a pipelined response that still waits for its turn never learns that it is gone.
 *
 * @param response the response of Node.js, or Fastify's reply around it
 */
export function onceResponseClosed(response: object, callback: () => void): void {
  if (isResponseClosed(response)) {
    return callback();
  }
  const raw = rawOf(response);
  const socket = raw.req?.socket;
  const others = typeof socket?.once === 'function' ? watchersOf(socket) : undefined;
  let isOver = false;
  const over = (): void => {
    if (!isOver) {
      isOver = true;
      others?.delete(over);
      callback();
    }
  };
  others?.add(over);
  if (raw instanceof Stream) {
    // What stream.finished() waits for, with two listeners in place of seven. Not `once`: the
    // response goes, and they with it, sooner than it would pay to take them away.
    raw.on('finish', over);
    if (!(raw instanceof ServerResponse && socket instanceof Connection)) {
      raw.on('close', over); // Node's own over HTTP/1 is torn down with its connection
    }
  }
}

/** The response of Node.js, which Fastify's reply wraps. */
function rawOf(response: object): RawResponse {
  return (response as { raw?: RawResponse }).raw ?? response;
}

/**
 * One listener a socket, however many requests a client pipelines on it: a listener for each would
 * make their removal quadratic, and the client chooses the number.
 */
const watched = new WeakMap<Socket, Set<() => void>>();

function watchersOf(socket: Socket): Set<() => void> {
  const known = watched.get(socket);
  if (known !== undefined) {
    return known;
  }
  const watchers = new Set<() => void>();
  watched.set(socket, watchers);
  socket.once('close', () => {
    watched.delete(socket);
    watchers.forEach((over) => over());
  });
  return watchers;
}
