import { Stream } from 'node:stream';

/** The part of a socket that tells when it is gone. */
interface Socket {
  readonly destroyed?: boolean;
  once(event: 'close', listener: () => void): unknown;
  removeListener(event: 'close', listener: () => void): unknown;
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
  const raw = rawOf(response);
  const socket = raw.req?.socket;
  let isOver = false;
  let forget: (() => void) | undefined;
  const over = (): void => {
    if (!isOver) {
      isOver = true;
      forget?.();
      callback();
    }
  };
  if (isResponseClosed(response)) {
    return over();
  }
  if (typeof socket?.once === 'function') {
    forget = onceSocketClosed(socket, over);
  }
  if (raw instanceof Stream) {
    // What stream.finished() waits for, with two listeners in place of seven.
    raw.once('finish', over);
    raw.once('close', over);
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

function onceSocketClosed(socket: Socket, callback: () => void): () => void {
  const known = watched.get(socket);
  if (known !== undefined) {
    known.add(callback);
    return () => void known.delete(callback);
  }
  const callbacks = new Set([callback]);
  watched.set(socket, callbacks);
  socket.once('close', () => {
    watched.delete(socket);
    callbacks.forEach((call) => call());
  });
  return () => void callbacks.delete(callback);
}
