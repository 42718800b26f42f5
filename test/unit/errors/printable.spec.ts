import { describe, expect, it } from '@jest/globals';
import { printable } from '../../../lib/errors/printable.js';

describe('O11: a text in the log', () => {
  it.each([
    ['plain text, also ümläuts and 漢字', 'plain text, also ümläuts and 漢字'],
    ['two\nlines\r\n', 'two\\nlines\\r\\n'],
    ['a\ttab', 'a\\ttab'],
    ['\u001b[2Jcleared', '\\x1b[2Jcleared'],
    ['a\u007fb\u0085c', 'a\\x7fb\\x85c'],
    ['a\u2028b\u2029c', 'a\\u2028b\\u2029c'],
    ['turned \u202e around \u061c', 'turned \\u202e around \\u061c'],
  ])('of %j is %s', (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it('ends after 2,000 characters, and says how many follow', () => {
    expect(printable('x'.repeat(2_000))).toBe('x'.repeat(2_000));
    expect(printable('x'.repeat(2_003))).toBe(`${'x'.repeat(2_000)}… (3 more characters)`);
  });
});

describe('O9: an address in the log', () => {
  it.each([
    ['valkey://user:pw@host', 'valkey://***@host'],
    [
      'connect to "redis://:p#w/d@x@10.0.0.1:6379/0" failed',
      'connect to "redis://***@10.0.0.1:6379/0" failed',
    ],
    ['anything+else://user:p"w@host,', 'anything+else://***@host,'],
    ['postgres://token@db/app', 'postgres://***@db/app'],
    ['//user:pw@host', '//***@host'],
    ['ECONNREFUSED default:s3cr:et@redis:6379', 'ECONNREFUSED ***@redis:6379'],
    ['redis://a:1@h redis://b:2@i', 'redis://***@h redis://***@i'],
    ['["amqp://a:1@h","amqp://b:2@i"]', '["amqp://***@i"]'],
  ])('%s is %s', (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it.each([
    'no user ada@example.com, see https://example.com/a:b',
    'at next (file:///app/node_modules/@nestjs/core/router.js:46:28)',
    'at next (/app/node_modules/.pnpm/@nestjs+core@12.0.0/router.js:46:28)',
    'at next (C:\\app\\node_modules\\@nestjs\\core\\router.js:46:28)',
    '{"to":"ada@example.com"} @Background() on a.b',
  ])('without a password stays: %s', (text) => {
    expect(printable(text)).toBe(text);
  });

  it('that is cut between password and @ does not show it', () => {
    const text = `${'x '.repeat(990)}redis://user:${'secret'.repeat(50)}@host`;
    expect(printable(text)).toMatch(/x redis… \(\d+ more characters\)$/);
    expect(printable(text, 2_300)).toMatch(/x redis:\/\/\*\*\*@host$/);
  });
});
