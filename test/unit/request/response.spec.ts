import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { describe, expect, it, jest } from '@jest/globals';
import {
  isResponseClosed,
  onceAnswered,
  onceResponseClosed,
  sentStatusOf,
} from '../../../lib/request/nest/response.js';
import { collectGarbage } from '../support/garbage.js';
import { FakeResponse, FakeSocket } from '../support/fake-response.js';

describe('a response has closed', () => {
  it('when its last byte has been handed over', async () => {
    const response = new FakeResponse();
    const callback = jest.fn();
    onceResponseClosed(response, callback);
    response.write('some');
    await turnOfTheLoop();
    expect(callback).not.toHaveBeenCalled();
    response.end();
    await turnOfTheLoop();
    expect(callback).toHaveBeenCalledTimes(1);
  });

  it('when it was torn down, with or without an error', async () => {
    for (const error of [undefined, new Error('reset')]) {
      const response = new FakeResponse();
      response.on('error', () => undefined);
      const callback = jest.fn();
      onceResponseClosed(response, callback);
      response.destroy(error);
      await turnOfTheLoop();
      expect(callback).toHaveBeenCalledTimes(1);
    }
  });

  it('when its connection has: a pipelined response does not learn of it', () => {
    const response = new FakeResponse();
    const callback = jest.fn();
    onceResponseClosed(response, callback);
    response.req.socket.destroy();
    expect(callback).toHaveBeenCalledTimes(1);
  });

  it('already, where its connection had gone before', () => {
    const response = new FakeResponse();
    response.req.socket.destroy();
    const callback = jest.fn();
    onceResponseClosed(response, callback);
    expect(callback).toHaveBeenCalledTimes(1);
  });

  it('already, where it had finished before', async () => {
    const response = new FakeResponse().answer();
    await turnOfTheLoop();
    const callback = jest.fn();
    onceResponseClosed(response, callback);
    await turnOfTheLoop();
    expect(callback).toHaveBeenCalledTimes(1);
  });

  it('once, however often it is over', async () => {
    const response = new FakeResponse();
    const callback = jest.fn();
    onceResponseClosed(response, callback);
    response.answer();
    await turnOfTheLoop();
    response.req.socket.destroy();
    response.destroy();
    await turnOfTheLoop();
    expect(callback).toHaveBeenCalledTimes(1);
  });
});

describe('whether a response has closed', () => {
  it.each<[boolean, object]>([
    [false, {}],
    [false, { writableFinished: false, destroyed: false }],
    [false, { req: {} }],
    [false, { req: { socket: null } }],
    [false, { req: { socket: { destroyed: false } } }],
    [true, { writableFinished: true }],
    [true, { destroyed: true }],
    [true, { req: { socket: { destroyed: true } } }],
  ])('is %p of %j', (expected, response) => {
    expect(isResponseClosed(response)).toBe(expected);
  });

  it.each<[string, object]>([
    ['is no stream', { req: { socket: { destroyed: false } } }],
    ['has a connection that tells nothing', { req: { socket: {} } }],
    ['has no connection', { req: {} }],
    ['is nobody knows what', {}],
  ])('is not found out, and hurts nobody, where it %s', (_, response) => {
    const callback = jest.fn();
    onceResponseClosed(response, callback);
    expect(callback).not.toHaveBeenCalled();
  });

  it('is learned when all of it is handed over, before the stream has been torn down', async () => {
    const response = new FakeResponse();
    const isDestroyed = new Promise((resolve) => {
      onceResponseClosed(response, () => resolve(response.destroyed));
    });
    response.answer();
    expect(await isDestroyed).toBe(false);
  });
});

describe('a connection with many responses', () => {
  it('lets go of those that are over, the first one as well as the others', async () => {
    const socket = new FakeSocket();
    const callbacks: WeakRef<() => void>[] = [];
    const open = (): FakeResponse => {
      const response = new FakeResponse(socket);
      const big = Array.from({ length: 1_000 }, () => 0);
      const callback = (): void => void big.length;
      callbacks.push(new WeakRef(callback));
      onceResponseClosed(response, callback);
      return response;
    };
    const last = open();
    for (let index = 0; index < 20; index += 1) {
      open().answer();
    }
    last.answer();
    await turnOfTheLoop();
    await collectGarbage();
    expect(callbacks.filter((each) => each.deref() !== undefined).length).toBeLessThan(5);
    expect(socket.listenerCount('close')).toBe(1);
  });

  it('has one listener, and tells all that are still open', async () => {
    const socket = new FakeSocket();
    const responses = Array.from({ length: 100 }, () => new FakeResponse(socket));
    const closed: number[] = [];
    responses.forEach((response, index) =>
      onceResponseClosed(response, () => void closed.push(index)),
    );
    expect(socket.listenerCount('close')).toBe(1);
    responses[7]?.answer();
    await turnOfTheLoop();
    expect(closed).toEqual([7]);
    socket.destroy();
    expect(closed.toSorted((one, other) => one - other)).toEqual(
      responses.map((_, index) => index),
    );
  });

  it('keeps nothing of those that are over, and one listener over all of them', async () => {
    const socket = new FakeSocket();
    for (let index = 0; index < 50; index++) {
      const response = new FakeResponse(socket);
      onceResponseClosed(response, () => undefined);
      response.answer();
      await turnOfTheLoop();
    }
    expect(socket.listenerCount('close')).toBe(1);
  });
});

describe('P3: the status that went out', () => {
  const HEAD = 'HTTP/1.1 204 No Content\r\n';

  it.each<[number | undefined, object]>([
    [undefined, { headersSent: false, statusCode: 200 }],
    [204, { headersSent: true, statusCode: 500, _header: HEAD }],
    [206, { headersSent: true, statusCode: 500, stream: { sentHeaders: { ':status': 206 } } }],
    [500, { headersSent: true, statusCode: 500 }],
    [500, { headersSent: true, statusCode: 500, _header: 'unknown' }],
  ])('is %p of %j', (expected, response) => {
    expect(sentStatusOf(response)).toBe(expected);
  });

  it('is told once somebody answers a client that has left', () => {
    const told: number[] = [];
    const response = new FakeResponse();
    response.statusCode = 409;
    onceAnswered(response, (status) => told.push(status));
    response.end('body');
    expect(told).toEqual([409]);
  });
});
