import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import { CaptureWatch, capturedIn } from '../../../lib/intake/captured-request.js';

const request = new IncomingMessage(new Socket());
request.httpVersion = '1.1';
const response = new ServerResponse(request);

describe('capturedIn', () => {
  it.each([
    ["Node's request, which is Express's", request, 'a request'],
    ["Node's response, which is Express's", response, 'a response'],
    ["Fastify's request", { raw: request, id: 'req-1' }, 'a request'],
    ["Fastify's reply", { raw: response, hijack: () => undefined }, 'a response'],
    ["fetch's request", new Request('http://localhost/'), 'a request'],
    ["fetch's response", new Response('text'), 'a response'],
    ['a readable stream', Readable.from([]), 'a stream'],
    ['a duplex stream', new PassThrough(), 'a stream'],
    ['a web stream', new Blob(['text']).stream(), 'a stream'],
  ])('recognises %s', (_, argument, expected) => {
    expect(capturedIn(argument)).toBe(expected);
  });

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a string', 'pipe'],
    ['a plain object', { id: 1, raw: 'text', body: {}, headers: {} }],
    ['an array', [1, 2]],
    ['a buffer', Buffer.from('text')],
    ['a date', new Date()],
    ['an object without a prototype', Object.create(null)],
  ])('has nothing against %s', (_, argument) => {
    expect(capturedIn(argument)).toBeUndefined();
  });
});

const watch = (): { readonly seen: string[]; readonly captures: CaptureWatch } => {
  const seen: string[] = [];
  const captures = new CaptureWatch((name, what, position) => {
    seen.push(`${name}: ${what}, ${position}`);
  });
  return { seen, captures };
};

describe('CaptureWatch', () => {
  const { NODE_ENV } = process.env;

  afterEach(() => {
    process.env['NODE_ENV'] = NODE_ENV;
  });

  it('warns once for each task name, of the first argument that is one', () => {
    const { seen, captures } = watch();
    captures.look('resize', ['id', request, response]);
    captures.look('resize', [request]);
    captures.look('mail', ['id']);
    captures.look('mail', [response]);
    captures.look('mail', []);
    expect(seen).toEqual(['resize: a request, 2', 'mail: a response, 1']);
  });

  it('is not hurt by an argument that cannot be looked at', () => {
    const { seen, captures } = watch();
    const shy = {
      get pipe(): never {
        throw new Error('not now');
      },
    };
    captures.look('resize', [shy, request]);
    expect(seen).toEqual(['resize: a request, 2']);
  });

  it('looks at nothing in production', () => {
    process.env['NODE_ENV'] = 'production';
    const { seen, captures } = watch();
    captures.look('resize', [request]);
    expect(seen).toEqual([]);
  });
});
