import { ServerResponse } from 'node:http';
import { Socket as Connection } from 'node:net';
import { Stream } from 'node:stream';

/** The part of a socket that tells when it is gone. */
interface Socket {
  readonly destroyed?: boolean;
  once(event: 'close', listener: () => void): unknown;
}

/** The part of Node's response that is needed here, over HTTP/1 and HTTP/2. */
interface RawResponse {
  readonly req?: { readonly socket?: Socket | null };
  readonly writableFinished?: boolean;
  readonly destroyed?: boolean;
  readonly headersSent?: boolean;
  readonly statusCode?: number;
  /** The head as it was sent over HTTP/1. */
  readonly _header?: unknown;
  /** Over HTTP/2. */
  readonly stream?: { readonly sentHeaders?: Record<string, unknown> };
}

/** Node's response, which Fastify's reply wraps. */
export function rawResponse(response: object): object {
  return (response as { raw?: object }).raw ?? response;
}

/**
 * The status that went out with the head of the answer; `undefined` while none has. What is assigned to
 * `statusCode` afterwards the client never sees: the head itself tells, where Node shows it.
 */
export function sentStatusOf(response: object): number | undefined {
  const { headersSent, statusCode, _header: head, stream } = response as RawResponse;
  if (headersSent !== true) {
    return undefined;
  }
  const shown = typeof head === 'string' ? head.slice(9, 12) : stream?.sentHeaders?.[':status'];
  const sent = Number(shown);
  return sent >= 100 ? sent : statusCode;
}

/** Whether {@link onceResponseClosed} would call back at once. */
export function isResponseClosed(response: object): boolean {
  const { writableFinished, destroyed, req } = response as RawResponse;
  return writableFinished === true || destroyed === true || req?.socket?.destroyed === true;
}

/**
 * Calls `callback` once, when the response is over the way Nest judges it: the response has
 * finished or was torn down, or its connection has closed. The connection is watched too, because
 * a pipelined response that still waits for its turn never learns that it is gone.
 */
export function onceResponseClosed(response: object, callback: () => void): void {
  if (isResponseClosed(response)) {
    return callback();
  }
  const socket = (response as RawResponse).req?.socket;
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
  if (response instanceof Stream) {
    // What stream.finished() waits for, with two listeners in place of seven. Not `once`: the
    // response goes, and they with it, sooner than it would pay to take them away.
    response.on('finish', over);
    if (!(response instanceof ServerResponse && socket instanceof Connection)) {
      response.on('close', over); // Node's own over HTTP/1 is torn down with its connection
    }
  }
}

/**
 * Calls `callback` when somebody answers a client that has left: with a head, or at once with the end
 * of a body, for which Node makes no head any more.
 */
export function onceAnswered(response: object, callback: (status: number) => void): void {
  const answered = response as Record<'writeHead' | 'end', unknown> & RawResponse;
  for (const name of ['writeHead', 'end'] as const) {
    const own = answered[name];
    if (typeof own === 'function') {
      answered[name] = (...args: unknown[]): unknown => {
        const { statusCode = 200 } = answered;
        const given: unknown = Reflect.apply(own, response, args);
        callback(sentStatusOf(response) ?? statusCode);
        return given;
      };
    }
  }
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
