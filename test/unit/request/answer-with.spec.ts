import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it, jest } from '@jest/globals';
import { StoreUnavailableError } from '../../../lib/index.js';
import { answerWith, type FastifyReply } from '../../../lib/request/nest/answer-with.js';

const ERROR = new Error('down');
const OF_THE_BODY = ['Content-Type', 'Transfer-Encoding', 'ETag', 'Last-Modified', 'Cache-Control'];
/** Each looks like one of the body at its beginning, or at its end. */
const OTHERS = ['X-Content-Type-Options', 'Transfer-Encoding-X', 'ETag-Of', 'Last-Modified-By'];

function responseWith(...names: string[]): ServerResponse {
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  names.forEach((name) => response.setHeader(name, 'a'));
  return response;
}

/** Fastify keeps headers of its own. */
function replyWith(headers: object, sent = false) {
  const removeHeader = jest.fn<FastifyReply['removeHeader']>();
  const send = jest.fn<FastifyReply['send']>();
  return { sent, getHeaders: () => headers, removeHeader, send };
}

describe('P17: an error in place of an answer', () => {
  it('keeps the headers that do not describe the body, and no message of its status', () => {
    const names = [...OTHERS, 'Cache-Control-X', 'Expires-In'];
    const response = responseWith(...names, ...OF_THE_BODY, 'Expires');
    response.statusMessage = 'Fine';
    const next = jest.fn();
    answerWith(ERROR, response, next);
    expect(response.getHeaderNames()).toEqual(names.map((name) => name.toLowerCase()));
    expect([response.statusMessage, next.mock.calls]).toEqual(['', [[ERROR]]]);
  });

  it('removes from Fastify’s reply what Node.js would not send', () => {
    const reply = replyWith({ fine: 'a', 'not fine': 'a', 'x-file': '中.txt', etag: 'a' });
    answerWith(ERROR, responseWith(), reply);
    expect(reply.removeHeader.mock.calls).toEqual([['not fine'], ['x-file'], ['etag']]);
    expect(reply.send).toHaveBeenCalledWith(ERROR);
  });

  it('is an error for Fastify, whatever it was', () => {
    const reply = replyWith({});
    answerWith('down', responseWith(), reply);
    const [given] = reply.send.mock.calls[0] as [Error];
    expect([given.message, given.cause]).toEqual(['down', 'down']);
  });

  it.each([
    [503, new StoreUnavailableError('The store')],
    [500, ERROR],
  ])('is a bare %i where nobody can answer it', (status, error) => {
    const response = responseWith('Content-Length');
    const end = jest.spyOn(response, 'end');
    answerWith(error, response, replyWith({}, true));
    expect(response.statusCode).toBe(status);
    expect(JSON.parse(String(end.mock.calls[0]?.[0]))).toMatchObject({ statusCode: status });
    expect(response.getHeader('Content-Length')).toBeUndefined();
  });

  it('is passed on without a change once the head is sent, or ends the connection', () => {
    const [response, other] = [responseWith('ETag'), responseWith('ETag')];
    [response, other].forEach((each) => each.writeHead(200));
    const next = jest.fn();
    answerWith(ERROR, response, next);
    answerWith(ERROR, other, undefined);
    expect([next.mock.calls.length, response.destroyed, other.destroyed]).toEqual([1, false, true]);
  });
});
