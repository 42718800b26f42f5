import { once } from 'node:events';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getDefaultHighWaterMark, PassThrough, Readable, Transform } from 'node:stream';
import { createGzip } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import { holdBack } from '../../../lib/request/nest/held-response.js';
import { Deferred } from '../../support/deferred.js';

const servers: Server[] = [];

/** @returns the answer; `undefined` where there is none */
async function serve(handle: RequestListener): Promise<Response | undefined> {
  const server = createServer(handle).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** Resolves to what the callback of a write or an end is told. */
function told(send: (callback: (error?: unknown) => void) => void): Promise<unknown> {
  return new Promise((resolve) => {
    send(resolve);
  });
}

/** Holds each response until the tasks are stored; one that cannot be sent is answered with 500. */
function hold(response: ServerResponse, stored: Promise<void>): void {
  let isAnswered = false;
  holdBack(response, {
    answering: () => (isAnswered ? undefined : stored),
    refused: () => {
      isAnswered = true;
      if (response.headersSent) {
        response.destroy();
      } else {
        response.writeHead(500).end('refused');
      }
    },
  });
}

/** Does with a response what middleware that compresses does, listeners included. */
function compress(response: ServerResponse): void {
  const { write, end, on } = response;
  const gzip: Transform = createGzip();
  response.setHeader('Content-Encoding', 'gzip');
  response.write = ((chunk: string) => gzip.write(chunk)) as never;
  response.end = (() => gzip.end()) as never;
  response.on = ((event: string, listener: () => void) =>
    event === 'drain' ? gzip.on(event, listener) : on.call(response, event, listener)) as typeof on;
  gzip.on('data', (chunk) => write.call(response, chunk, 'utf8', () => undefined));
  gzip.on('end', () => Reflect.apply(end, response, []));
}

describe('P17: the sender of a held piece', () => {
  it('is told that the store took nothing', async () => {
    const down = new Error('down');
    const callbacks = new Deferred<unknown>();
    const answer = await serve((_request, response) => {
      hold(response, Promise.reject(down));
      const both = [
        told((callback) => response.write('piece', callback)),
        told((callback) => response.end(callback)),
      ];
      callbacks.resolve(Promise.all(both));
    });
    expect(answer?.status).toBe(500);
    expect(await callbacks.promise).toEqual([down, down]);
  });

  it('is told that the response was destroyed', async () => {
    const stored = new Deferred();
    const gone = new Error('gone');
    const callback = new Deferred<unknown>();
    const answer = await serve((_request, response) => {
      hold(response, stored.promise);
      callback.resolve(told((call) => response.write('piece', call)));
      response.destroy(gone);
      stored.resolve();
    });
    expect(answer).toBeUndefined();
    expect(await callback.promise).toBe(gone);
  });

  it('may go on writing after another answer was sent', async () => {
    const callback = new Deferred<unknown>();
    const returned: unknown[] = [];
    const answer = await serve(async (_request, response) => {
      hold(response, Promise.reject(new Error('down')));
      response.write('first');
      while (!response.writableEnded) await Promise.resolve();
      callback.resolve(told((call) => returned.push(response.write('next', call))));
      returned.push(response.end() === response);
    });
    expect(await answer?.text()).toBe('refused');
    expect(await callback.promise).toEqual(new Error('down'));
    expect(returned).toEqual([false, true]);
  });

  it('is told by Node.js that it has ended the response before', async () => {
    const callback = new Deferred<unknown>();
    await serve((_request, response) => {
      hold(response, Promise.resolve());
      response.end(() => callback.resolve(told((call) => response.end(call))));
    });
    expect(await callback.promise).toMatchObject({ code: 'ERR_STREAM_ALREADY_FINISHED' });
  });

  it('is destroyed if it is piped into a response that is refused', async () => {
    const stored = new Deferred();
    const [piped, unpiped] = [new PassThrough(), new PassThrough()];
    const closed = once(piped, 'close');
    const answer = await serve((_request, response) => {
      hold(response, stored.promise);
      [piped, unpiped].forEach((source) => void source.pipe(response));
      unpiped.unpipe(response);
      piped.write('piece');
      setImmediate(() => stored.reject(new Error('down')));
    });
    expect(await answer?.text()).toBe('refused');
    await closed;
    expect([piped.destroyed, unpiped.destroyed]).toEqual([true, false]);
  });

  it.each([3, 300])('gets "drain" from compressing middleware: %i pieces', async (count) => {
    const answer = await serve((_request, response) => {
      compress(response);
      hold(response, new Promise(setImmediate));
      Readable.from(Array.from({ length: count }, () => 'x'.repeat(1_000))).pipe(response);
    });
    expect(await answer?.text()).toHaveLength(count * 1_000);
  });
});

describe('P20: a held response', () => {
  it.each<[string, (response: ServerResponse) => ServerResponse]>([
    ['a Proxy', (response) => new Proxy(response, {})],
    ['an object that inherits from it', (response) => Object.create(response) as ServerResponse],
  ])('looks sent and ended through %s as well, held or not', async (_what, around) => {
    const stored = new Deferred();
    const seen: boolean[] = [];
    const answer = await serve((_request, response) => {
      hold(response, stored.promise);
      const look = (): void => {
        const { headersSent, writableEnded } = around(response);
        seen.push(headersSent, writableEnded);
      };
      look();
      response.write('a');
      look();
      response.end('b');
      look();
      stored.resolve();
      response.once('finish', look);
    });
    expect(await answer?.text()).toBe('ab');
    expect(seen).toEqual([false, false, true, false, true, true, true, true]);
  });

  it('looks sent and ended as long as one of two applications holds it', async () => {
    const [first, second] = [new Deferred(), new Deferred()];
    const seen: boolean[] = [];
    const answer = await serve(async (_request, response) => {
      const look = (): void => void seen.push(response.headersSent, response.writableEnded);
      [first, second].forEach(({ promise }) => hold(response, promise));
      look();
      response.end('answer');
      look();
      second.resolve();
      await new Promise(setImmediate);
      look();
      first.resolve();
      response.once('finish', look);
    });
    expect(await answer?.text()).toBe('answer');
    expect(seen).toEqual([false, false, true, true, true, true, true, true]);
  });

  it.each<[number, (response: ServerResponse) => void]>([
    [404, (response) => response.writeHead(404).end()],
    [302, (response) => Object.assign(response, { statusCode: 302 }).end()],
    [200, (response) => response.flushHeaders()],
  ])('tells its keeper of the status that leaves: %i', async (expected, send) => {
    const seen: number[] = [];
    const answer = await serve((_request, response) => {
      holdBack(response, {
        answering: (status) => void seen.push(status),
        refused: () => undefined,
      });
      send(response);
      response.end();
    });
    expect([answer?.status, ...seen]).toEqual([expected, expected]);
  });

  it('returns what a response of Node.js does, and takes a second head', async () => {
    const returned: unknown[] = [];
    const full = getDefaultHighWaterMark(false);
    const answer = await serve(async (_request, response) => {
      hold(response, new Promise(setImmediate));
      returned.push(response.writeHead(201, { 'X-A': 'b' }) === response, response.flushHeaders());
      returned.push(['a', Buffer.alloc(full - 2), 'a'].map((piece) => response.write(piece)));
      returned.push(response.writeHead(202) === response);
      await once(response, 'drain');
      response.end('z');
    });
    expect([answer?.status, answer?.headers.get('x-a')]).toEqual([201, 'b']);
    expect(await answer?.text()).toHaveLength(full + 1);
    expect(returned).toEqual([true, undefined, [true, true, false], true]);
  });

  it.each([
    ['it is not full any more', 0, true, false, 1],
    ['it was never full', -1, true, false, 0],
    ['a writer further in is full, and will say so itself', 0, false, false, 0],
    ['it has ended', 0, true, true, 0],
  ])(
    'tells its sender to go on where it has to: %s',
    async (_, more, goesOn, isEnded, expected) => {
      let drained = 0;
      await serve(async (_request, response) => {
        response.write = (() => goesOn) as never;
        hold(response, new Promise(setImmediate));
        response.on('drain', () => (drained += 1));
        response.write(Buffer.alloc(getDefaultHighWaterMark(false) + more));
        if (isEnded) response.end();
        await new Promise(setImmediate);
        await new Promise(setImmediate);
        response.end();
      });
      expect(drained).toBe(expected);
    },
  );
});
