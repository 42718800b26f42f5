import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RetryLaterError, UnrecoverableError } from '../../../../lib/index.js';
import { putTogether, takeApart } from '../../../../lib/run/threads/sent-error.js';
import { callInThread } from '../../../../lib/run/threads/thread.js';
import { transfer, transferListOf } from '../../../../lib/run/threads/transfer.js';

const MODULE = `
export const add = (a, b) => a + b;
export const later = async (value) => value;
export const give = (kind) => ({ map: new Map([[1, 2]]), null: null, symbol: Symbol('s'), function: add, 'object with a function': { add } })[kind];
export const fail = () => { throw new TypeError('no'); };
export const same = (value) => value;
export const number = 7;
export default () => 'the default';
`;

/** What a thread does with a call, in this thread: in one of its own no coverage is seen. */
describe('a call in a thread', () => {
  let folder: string;

  const call = (exportName: string, args: readonly unknown[] = [], file = 'module.mjs') =>
    callInThread({ href: pathToFileURL(join(folder, file)).href, exportName, args });

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'thread-'));
    writeFileSync(join(folder, 'module.mjs'), MODULE);
    writeFileSync(join(folder, 'broken.mjs'), 'throw new RangeError("does not load");');
    writeFileSync(join(folder, 'empty.mjs'), 'export const nothing = 1;');
    writeFileSync(join(folder, 'commonjs.cjs'), 'module.exports = function main() {};');
    writeFileSync(join(folder, 'hidden.mjs'), 'export default { add: (a, b) => a + b };');
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('replies with the return value, at once or later', async () => {
    expect(await call('add', [1, 2])).toEqual({ kind: 'returned', value: 3 });
    expect(await call('later', ['x'])).toEqual({ kind: 'returned', value: 'x' });
    expect(await call('default')).toEqual({ kind: 'returned', value: 'the default' });
    expect(await call('give', ['map'])).toEqual({ kind: 'returned', value: new Map([[1, 2]]) });
    expect(await call('give', ['null'])).toEqual({ kind: 'returned', value: null });
  });

  it.each(['symbol', 'function', 'object with a function'])(
    'replies that the %s cannot be sent back',
    async (kind) => {
      expect(await call('give', [kind])).toEqual({
        kind: 'unsendable',
        problem: expect.stringContaining('could not be cloned'),
      });
    },
  );

  it('names the exported functions if the wanted one is missing', async () => {
    expect(await call('sub')).toEqual({
      kind: 'missing',
      problem:
        'it exports no function "sub" (its functions: add, default, fail, give, later, same)',
    });
    expect(await call('number')).toMatchObject({ kind: 'missing' });
    expect(await call('sub', [], 'empty.mjs')).toEqual({
      kind: 'missing',
      problem: 'it exports no function "sub" (it exports no function)',
    });
  });

  it.each(['constructor', 'toString', 'hasOwnProperty', '__proto__', '__defineGetter__', 'apply'])(
    'O22: calls only exported functions: %s',
    async (name) => {
      for (const file of ['module.mjs', 'hidden.mjs', 'commonjs.cjs']) {
        expect(await call(name, [], file)).toMatchObject({ kind: 'missing' });
      }
    },
  );

  it('replies that a file cannot be loaded, and why', async () => {
    const reply = await call('add', [], 'broken.mjs');
    expect(reply).toMatchObject({ kind: 'missing', problem: 'it cannot be loaded' });
    expect(reply).toMatchObject({ error: { name: 'RangeError', message: 'does not load' } });
  });
});

/** Through a thread's channel and back. */
const sent = (thrown: unknown): unknown => putTogether(structuredClone(takeApart(thrown)));

describe('the error of a thread', () => {
  it('arrives with name, message, stack and properties', () => {
    const error = Object.assign(new TypeError('no'), { code: 'E_NO', detail: { at: 1 } });
    const arrived = sent(error) as typeof error;
    expect(arrived).toBeInstanceOf(Error);
    expect(arrived.name).toBe('TypeError');
    expect(arrived.message).toBe('no');
    expect(arrived.stack).toBe(error.stack);
    expect(takeApart(error).kind).toBe('error');
    expect(Object.entries(arrived)).toEqual([
      ['code', 'E_NO'],
      ['detail', { at: 1 }],
    ]);
  });

  it('arrives with its first causes', () => {
    let error = new Error('0');
    for (let depth = 1; depth <= 12; depth += 1) {
      error = new Error(String(depth), { cause: error });
    }
    const messages: string[] = [];
    for (let each: unknown = sent(error); each instanceof Error; each = each.cause) {
      messages.push(each.message);
    }
    expect(messages).toEqual(['12', '11', '10', '9', '8', '7', '6', '5', '4']);
  });

  it('keeps the class that the retry policy looks at', () => {
    const gone = new UnrecoverableError('gone', { cause: new Error('why') });
    const unrecoverable = sent(gone);
    expect(unrecoverable).toBeInstanceOf(UnrecoverableError);
    expect(unrecoverable).toMatchObject({
      message: 'gone',
      cause: { message: 'why' },
      stack: gone.stack,
    });
    const busy = new RetryLaterError('90s');
    const later = sent(busy);
    expect(later).toBeInstanceOf(RetryLaterError);
    expect(later).toMatchObject({ delayMs: 90_000, stack: busy.stack });
  });

  it('O22: arrives unchanged although it has a property __proto__', () => {
    const error = new TypeError('no');
    Object.defineProperty(error, '__proto__', { value: { polluted: true }, enumerable: true });
    const arrived = sent(error) as Error;
    expect(Object.getPrototypeOf(arrived)).toBe(Error.prototype);
    expect(Object.getOwnPropertyDescriptor(arrived, '__proto__')?.value).toEqual({
      polluted: true,
    });
    expect('polluted' in arrived).toBe(false);
  });

  it.each([9e15, Number.POSITIVE_INFINITY])(
    'O22: asks for a bounded wait instead of %d ms',
    (ms) => {
      const later = sent(
        Object.assign(new Error('later'), { code: 'BGT_RETRY_LATER', delayMs: ms }),
      );
      expect(later).toBeInstanceOf(RetryLaterError);
      expect(later).toMatchObject({ message: 'later', delayMs: 2_147_483_647 });
    },
  );

  it.each([Number.NaN, -1, '5s', undefined, null, {}])(
    'O22: asks for no wait with %p',
    (delayMs) => {
      const error = Object.assign(new TypeError('no'), { code: 'BGT_RETRY_LATER', delayMs });
      expect(sent(error)).not.toBeInstanceOf(RetryLaterError);
      expect(sent(error)).toMatchObject({ name: 'TypeError', message: 'no', delayMs });
    },
  );

  it.each([['text'], [42], [undefined], [null], [{ a: 1 }]])('can be any value: %p', (value) => {
    expect(sent(value)).toEqual(value);
  });

  it('is a text if it cannot be read', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const shapeless: unknown = Object.assign(Object.create(null), { act: () => undefined });
    expect([takeApart(proxy), takeApart(shapeless)]).toEqual(
      Array.from({ length: 2 }, () => ({ kind: 'value', value: 'a value that cannot be shown' })),
    );
  });
});

describe('a value in the transfer list', () => {
  it('is marked for transfer, and whole', () => {
    const buffer = transfer(new ArrayBuffer(8));
    const view = transfer(new Uint16Array(4));
    expect(transferListOf([buffer, view])).toEqual([buffer, view.buffer]);
  });

  it.each([
    ['what is not marked', new ArrayBuffer(8)],
    ['a view of a part', transfer(new Uint8Array(new ArrayBuffer(8), 2, 4))],
    ['what is empty, as it is after it was handed over', transfer(new ArrayBuffer(0))],
    ['memory that is shared', transfer(new Uint8Array(new SharedArrayBuffer(8)))],
  ])('is not %s', (_, value) => {
    expect(transferListOf([value])).toEqual([]);
  });
});
