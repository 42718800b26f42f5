import { describe, expect, it } from '@jest/globals';
import {
  isResponseClosed,
  onceAnswered,
  sentStatusOf,
} from '../../../lib/request/nest/response.js';
import { FakeResponse } from '../support/fake-response.js';

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
