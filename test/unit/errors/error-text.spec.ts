import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { errorText, summaryOf } from '../../../lib/errors/error-text.js';
import { printable } from '../../../lib/errors/printable.js';
import { HOSTILE_VALUES, thrower } from '../support/hostile-values.js';

const FRAME = '    at send (file.js:1:1)';

function failed(message: string, stack = `Error: ${message}\n${FRAME}`): Error {
  return Object.assign(new Error(message), { stack });
}

/** How many characters are handed to regular expressions and to searches while `work` is done. */
function charactersLookedAt(work: () => unknown): number {
  let count = 0;
  const spy = (
    owner: object,
    key: string | symbol,
    lengthOf: (self: unknown, arg: unknown) => number,
  ) => {
    const original = Reflect.get(owner, key) as (...args: unknown[]) => unknown;
    const counting = function (this: unknown, ...args: unknown[]): unknown {
      count += lengthOf(this, args[0]);
      return Reflect.apply(original, this, args);
    };
    jest.spyOn(owner as Record<string, () => unknown>, key as string).mockImplementation(counting);
  };
  for (const key of ['test', Symbol.replace, Symbol.search, Symbol.split, Symbol.match]) {
    spy(RegExp.prototype, key, (_, text) => String(text).length);
  }
  for (const key of ['indexOf', 'lastIndexOf', 'split', 'trim', 'includes', 'toString']) {
    spy(String.prototype, key, (self) => String(self).length);
  }
  try {
    work();
  } finally {
    jest.restoreAllMocks();
  }
  return count;
}

describe('the text of an error', () => {
  afterEach(() => void jest.restoreAllMocks());

  it('O1: is made with bounded work', () => {
    const worst: unknown[] = [
      failed(`no such user: ${'\n'.repeat(90_000)}x`),
      failed(`${'\n    at '.repeat(20_000)}x`),
      failed('x', `Error: y${'\n \t'.repeat(100_000)}`),
      failed('x', `Error: x\n${`${FRAME}\n`.repeat(10_000)}`),
      failed('x', `Error: x\n    at ${' '.repeat(200_000)}`),
      failed('//'.repeat(100_000)),
      failed('a'.repeat(100_000)),
      failed('a:b@'.repeat(50_000)),
      'a '.repeat(100_000),
      new AggregateError(Array(100_000).fill(failed('\n'.repeat(50_000)))),
      Object.assign(failed('x'), { name: '\n'.repeat(100_000), code: '@'.repeat(100_000) }),
      Object.assign(failed('x'), { cause: failed('\n at'.repeat(100_000)) }),
    ];
    for (const error of worst) {
      expect(charactersLookedAt(() => summaryOf(errorText(error)))).toBeLessThan(200_000);
      const { stack = '' } = errorText(error);
      expect(stack.split('\n').length).toBeLessThanOrEqual(51);
      expect(JSON.stringify(errorText(error)).length).toBeLessThan(40_000);
    }
  });

  it('O1: has frames that begin after the message', () => {
    const forged = 'no\n    at forged (file.js:1:1)';
    expect(errorText(failed(forged)).stack).toBe(
      `Error: no\\n    at forged (file.js:1:1)\n${FRAME}`,
    );
    const changed = Object.assign(new Error(`${forged}\nmore`), { message: 'changed' });
    expect(errorText(changed).stack).not.toContain('forged');
    expect(errorText(changed).stack).toMatch(/^Error: changed\n {4}at /);
  });

  it.each<[string, string, string | undefined]>([
    ['an empty message', '', `Error: \n${FRAME}`],
    ['no frames', 'alone', undefined],
  ])('finds the frames after %s', (_, message, stack) => {
    const text = stack === undefined ? failed(message, `Error: ${message}`) : failed(message);
    expect(errorText(text).stack).toBe(stack);
  });

  it('O9: has only name, message, code, stack and causes', () => {
    const config = { headers: { authorization: 'Bearer s3cret' }, url: 'https://u:pw@api' };
    const error = Object.assign(failed('Request failed: https://u:pw@api/x'), {
      name: 'AxiosError',
      code: 'ERR_BAD_REQUEST',
      config,
      request: { config },
      response: { config, status: 401 },
      toJSON: () => ({ config }),
      cause: Object.assign(failed('inner redis://u:pw@h'), { config }),
    });
    expect(errorText(error)).toEqual({
      name: 'AxiosError',
      message: 'Request failed: https://***@api/x',
      code: 'ERR_BAD_REQUEST',
      causes: ['Error: inner redis://***@h'],
      stack: `AxiosError: Request failed: https://***@api/x\n${FRAME}`,
    });
    expect(errorText(config)).toEqual({ message: '[object Object]' });
  });

  it('names a few causes, and errors of an AggregateError, each once', () => {
    const refused = Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' });
    const cyclic = new Error('no', { cause: refused });
    refused.cause = cyclic;
    expect(errorText(cyclic).causes).toEqual(['AggregateError: ECONNREFUSED']);
    const many = new AggregateError([new Error('a'), 'b', null, ...Array(1e5).fill('c')], 'both');
    expect(summaryOf(errorText(many))).toBe(
      'AggregateError: both (cause: Error: a) (cause: b) (cause: c)',
    );
  });

  it.each(HOSTILE_VALUES)('exists for %s', (_, make) => {
    expect(summaryOf(errorText(make()))).toEqual(expect.stringMatching(/./));
    expect(errorText(new Error('no', { cause: make() })).message).toBe('no');
    expect(errorText(new AggregateError([make(), thrower()], 'no')).message).toBe('no');
  });
});

describe('O11: a text in the log', () => {
  it.each([
    ['plain text, also ümläuts and 漢字', 'plain text, also ümläuts and 漢字'],
    ['two\nlines\r\n', 'two\\nlines\\r\\n'],
    ['\u001b[2Jcleared', '\\x1b[2Jcleared'],
    ['a\u2028b\u2029c', 'a\\u2028b\\u2029c'],
    ['turned \u202e around \u061c', 'turned \\u202e around \\u061c'],
  ])('of %j is %s', (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it('is cut after 2,000 characters, with the number of the rest', () => {
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
    '{"to":"ada@example.com"} @Background() on a.b',
  ])('without a password stays: %s', (text) => {
    expect(printable(text)).toBe(text);
  });

  it('hides the password if the text is cut before the @', () => {
    const text = `${'x '.repeat(990)}redis://user:${'secret'.repeat(50)}@host`;
    expect(printable(text)).toMatch(/x redis… \(\d+ more characters\)$/);
    expect(printable(text, 2_300)).toMatch(/x redis:\/\/\*\*\*@host$/);
  });
});
