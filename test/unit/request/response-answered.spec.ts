import { describe, expect, it } from '@jest/globals';
import { wasAnswered } from '../../../lib/request/nest/response-answered.js';

describe('a request without a handler’s end', () => {
  it.each<[object | undefined, boolean]>([
    [{ headersSent: true, statusCode: 200 }, true],
    [{ headersSent: true, statusCode: 204 }, true],
    [{ headersSent: true, statusCode: 302 }, true],
    [{ headersSent: true, statusCode: 399 }, true],
    [{ headersSent: true, statusCode: 400 }, false],
    [{ headersSent: true, statusCode: 403 }, false],
    [{ headersSent: true, statusCode: 404 }, false],
    [{ headersSent: true, statusCode: 500 }, false],
    [{ headersSent: true }, true],
    [{ headersSent: false, statusCode: 200 }, false],
    [{ raw: { headersSent: true, statusCode: 200 } }, true],
    [{ raw: { headersSent: true, statusCode: 403 } }, false],
    [{ raw: { headersSent: false, statusCode: 200 } }, false],
    [{}, false],
    [undefined, false],
  ])('with response %p was answered well: %p', (response, expected) => {
    expect(wasAnswered(response)).toBe(expected);
  });
});
