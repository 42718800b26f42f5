import { describe, expect, it } from '@jest/globals';
import { QueueFullError } from '../../../lib/index.js';
import { askToRetryLater } from '../../../lib/request/nest/retry-later.js';

const FULL = new QueueFullError('default', 1);

/** The head of a response, as far as Node.js shows it. */
function responseWith(headers: Record<string, string> = {}) {
  const sent = new Map(Object.entries(headers));
  const heads: unknown[][] = [];
  return {
    sent,
    heads,
    hasHeader: (name: string) => sent.has(name),
    setHeader: (name: string, value: string) => void sent.set(name, value),
    writeHead(...head: unknown[]) {
      heads.push(head);
      return this;
    },
  };
}

describe('Retry-After of a refused request', () => {
  it('keeps a header that is there', () => {
    const response = responseWith({ 'Retry-After': '60' });
    askToRetryLater(FULL, response);
    response.writeHead(503);
    expect(response.sent.get('Retry-After')).toBe('60');
  });

  it('is skipped for a message without a head', () => {
    const message = {};
    askToRetryLater(FULL, message);
    expect(message).toEqual({});
  });
});
