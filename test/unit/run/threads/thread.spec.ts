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

  it('replies with what the function returns, at once or later', async () => {
    expect(await call('add', [1, 2])).toEqual({ kind: 'returned', value: 3 });
    expect(await call('later', ['x'])).toEqual({ kind: 'returned', value: 'x' });
    expect(await call('default')).toEqual({ kind: 'returned', value: 'the default' });
    expect(await call('give', ['map'])).toEqual({ kind: 'returned', value: new Map([[1, 2]]) });
    expect(await call('give', ['null'])).toEqual({ kind: 'returned', value: null });
  });

  it.each(['symbol', 'function', 'object with a function'])(
    'says that the %s cannot be sent back',
    async (kind) => {
      expect(await call('give', [kind])).toEqual({
        kind: 'unsendable',
        problem: expect.stringContaining('could not be cloned'),
      });
    },
  );

  it('hands over a result that is marked for it', async () => {
    const value = transfer(new Uint8Array(8));
    const reply: object = await call('same', [value]);
    const [list, inner] = Object.getOwnPropertySymbols(reply).map(
      (symbol) => (reply as Record<symbol, unknown>)[symbol],
    );
    expect(list).toEqual([value.buffer]);
    expect(inner).toEqual({ kind: 'returned', value });
  });

  it('says which functions there are where the one that is meant is not', async () => {
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
    'O22: calls nothing that nobody has exported: %s',
    async (name) => {
      for (const file of ['module.mjs', 'hidden.mjs', 'commonjs.cjs']) {
        expect(await call(name, [], file)).toMatchObject({ kind: 'missing' });
      }
    },
  );

  it('says that a file cannot be loaded, and why', async () => {
    const reply = await call('add', [], 'broken.mjs');
    expect(reply).toMatchObject({ kind: 'missing', problem: 'it cannot be loaded' });
    expect(reply).toMatchObject({ error: { name: 'RangeError', message: 'does not load' } });
  });
});

/** Through a thread's channel and back. */
const sent = (thrown: unknown): unknown => putTogether(structuredClone(takeApart(thrown)));

describe('what a thread throws', () => {
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

  it('arrives with its causes, as far as anybody reads', () => {
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

  it('is what the retry policy knows', () => {
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

  it('O22: arrives with a property called __proto__, and is the error that it was', () => {
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
    'O22: asks for %d ms, and for a wait with an end',
    (ms) => {
      const later = sent(
        Object.assign(new Error('later'), { code: 'BGT_RETRY_LATER', delayMs: ms }),
      );
      expect(later).toBeInstanceOf(RetryLaterError);
      expect(later).toMatchObject({ message: 'later', delayMs: 2_147_483_647 });
    },
  );

  it.each([Number.NaN, -1, '5s', undefined, null, {}])(
    'O22: asks for no wait with %p, and stays what it was',
    (delayMs) => {
      const error = Object.assign(new TypeError('no'), { code: 'BGT_RETRY_LATER', delayMs });
      expect(sent(error)).not.toBeInstanceOf(RetryLaterError);
      expect(sent(error)).toMatchObject({ name: 'TypeError', message: 'no', delayMs });
    },
  );

  it.each([['text'], [42], [undefined], [null], [{ a: 1 }]])('may be %p', (value) => {
    expect(sent(value)).toEqual(value);
  });

  it('is a text where it cannot be looked at', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const shapeless: unknown = Object.assign(Object.create(null), { act: () => undefined });
    expect([takeApart(proxy), takeApart(shapeless)]).toEqual(
      Array.from({ length: 2 }, () => ({ kind: 'value', value: 'a value that cannot be shown' })),
    );
  });
});

describe('what is handed over instead of copied', () => {
  it('is what was marked for it, whole', () => {
    const buffer = transfer(new ArrayBuffer(8));
    const view = transfer(new Uint16Array(4));
    expect(transferListOf([buffer, view])).toEqual([buffer, view.buffer]);
  });

  it('is marked in a way that another copy of this file knows', () => {
    const mark = Symbol.for('nestjs-background-tasks:transfer');
    expect(mark in transfer(new ArrayBuffer(1))).toBe(true);
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
