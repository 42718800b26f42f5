import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { callInThread } from '../../../../lib/run/threads/thread.js';
import { putTogether } from '../../../../lib/run/threads/sent-error.js';
import { transfer } from '../../../../lib/run/threads/transfer.js';

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

  it('finds what a CommonJS module exports behind its default', async () => {
    expect(await call('add', [1, 2], 'hidden.mjs')).toEqual({ kind: 'returned', value: 3 });
  });

  it('replies with what the function throws', async () => {
    const reply = await call('fail');
    expect(reply.kind === 'threw' && putTogether(reply.error)).toMatchObject({
      name: 'TypeError',
      message: 'no',
    });
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

  it.each([
    ['a text', 'text'],
    ['a number', 1],
    ['nothing', undefined],
    ['null', null],
    ['a buffer', new ArrayBuffer(8)],
    ['a view of one', new Uint8Array(8)],
  ])('sends %s without trying first', async (_, value) => {
    const trial = jest.spyOn(globalThis, 'structuredClone');
    const reply = await call('same', [value]);
    expect(reply).toEqual({ kind: 'returned', value });
    expect(trial).not.toHaveBeenCalled();
    trial.mockRestore();
  });

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
