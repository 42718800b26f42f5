import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { describe, expect, it, jest } from '@jest/globals';
import { onceResponseClosed } from '../../../lib/release/response-closed.js';
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

  it('also where Fastify’s reply is around it', async () => {
    const raw = new FakeResponse();
    const callback = jest.fn();
    onceResponseClosed({ raw }, callback);
    raw.answer();
    await turnOfTheLoop();
    expect(callback).toHaveBeenCalledTimes(1);
  });
});

describe('a connection with many responses', () => {
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
