import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { fixture, poolOf, SharedGate, untilAtLeast, untilStill } from './pool.js';

describe('ThreadPool', () => {
  describe('calls', () => {
    it('run side by side while there are threads, then first in, first out', async () => {
      const { call, pool } = poolOf({ threads: 2 });
      const gate = new SharedGate();
      const order: number[] = [];
      const calls = [1, 2].map(() => call('waitFor', gate.buffer));
      const later = [1, 2, 3].map(async (number) => {
        await call('add', number, 0);
        order.push(number);
      });
      await gate.untilArrived(2);
      expect(pool.size).toBe(2);
      expect(order).toEqual([]);
      gate.open();
      const [first, second] = await Promise.all(calls);
      expect(first).not.toBe(second);
      await Promise.all(later);
      expect(order).toHaveLength(3);
      expect(pool.size).toBe(2);
    });

    it('are refused beyond maxQueue, with an error that Nest answers as 503', async () => {
      const { call } = poolOf({ maxQueue: 1 });
      const gate = new SharedGate();
      const running = call('waitFor', gate.buffer);
      const waiting = call('add', 1, 1);
      await expect(call('add', 2, 2)).rejects.toMatchObject({
        code: 'BGT_THREAD_QUEUE_FULL',
        status: 503,
        maxQueue: 1,
        message: expect.stringContaining('raise maxQueue'),
      });
      await gate.untilArrived(1);
      gate.open();
      await running;
      expect(await waiting).toBe(2);
    });
  });

  describe('failures', () => {
    it('of the thread are told apart, and waiting calls get the next thread', async () => {
      const { call, log } = poolOf();
      const exited = call('exit', 13);
      const belowZero = call('exit', -1);
      const crashed = call('crash');
      const sum = call('add', 1, 1);
      await expect(exited).rejects.toMatchObject({
        code: 'BGT_THREAD_EXITED',
        message:
          'The thread of exit() ended before the function did: something called process.exit(13).',
      });
      await expect(belowZero).rejects.toMatchObject({
        message: expect.stringContaining('something called process.exit(-1).'),
      });
      await expect(crashed).rejects.toMatchObject({
        code: 'BGT_THREAD_EXITED',
        message: expect.stringContaining('uncaught Error: nobody is there to catch it'),
        cause: { message: 'nobody is there to catch it' },
      });
      expect(await sum).toBe(2);
      expect(log.lines).toEqual([]);
    });

    it('for lack of memory name the limit to raise, and the pool goes on', async () => {
      const { call } = poolOf({ resourceLimits: { maxOldGenerationSizeMb: 64 } });
      const hoarding = call('hoard');
      const sum = call('add', 1, 1);
      await expect(hoarding).rejects.toMatchObject({
        code: 'BGT_THREAD_OUT_OF_MEMORY',
        message: expect.stringContaining('maxOldGenerationSizeMb'),
        cause: { code: 'ERR_WORKER_OUT_OF_MEMORY' },
      });
      expect(await sum).toBe(2);
    });

    it('of a thread that cannot start reach the waiting call', async () => {
      const { call } = poolOf({ execArgv: ['--import', 'no-such-loader'] });
      await expect(call('add', 1, 1)).rejects.toMatchObject({
        code: 'BGT_THREAD_EXITED',
        message: expect.stringMatching(/could not start: .*no-such-loader/),
        cause: { message: expect.stringContaining('no-such-loader') },
      });
      await expect(call('add', 2, 2)).rejects.toMatchObject({ code: 'BGT_THREAD_EXITED' });
    });
  });

  describe('bad input', () => {
    it.each(['unbuilt.js', 'unbuilt.ts'])(
      'O22: has an error that points to the docs if %s is not compiled',
      async (name) => {
        const folder = mkdtempSync(join(tmpdir(), 'threads-'));
        // Without it the kind of the file would depend on what lies in the folders above.
        writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
        writeFileSync(join(folder, 'unbuilt.ts'), "import './nowhere.js'; export const run = 1;");
        const { pool } = poolOf();
        const { href } = pathToFileURL(join(folder, name));
        await expect(pool.run('run', { href, exportName: 'run', args: [] })).rejects.toThrow(
          'There is unbuilt.ts, but threads do not compile TypeScript: see docs/threads.md#testing.',
        );
        rmSync(folder, { recursive: true });
      },
    );

    it('has an error that names the argument that cannot be sent', async () => {
      const { call, pool } = poolOf();
      await expect(call('add', 1, () => 2)).rejects.toMatchObject({
        code: 'BGT_THREAD_ARGUMENT',
        index: 1,
        message: expect.stringContaining('Argument 2 of add() cannot be sent to a thread'),
        cause: { name: 'DataCloneError' },
      });
      await expect(call('add', () => 1, 2)).rejects.toMatchObject({ index: 0 });
      expect(await call('add', 1, 1)).toBe(2);
      expect(pool.size).toBe(1);
    });
  });

  describe('buffers', () => {
    it('are handed back if the function marks its result', async () => {
      const { pool } = poolOf();
      const call = { href: fixture('transferring.ts'), exportName: 'make', args: [1_000_000] };
      expect(await pool.run('make', call)).toHaveProperty('byteLength', 1_000_000);
      const lengthLeft = { ...call, exportName: 'lengthLeft', args: [] };
      expect(await pool.run('lengthLeft', lengthLeft)).toBe(0);
    });
  });

  describe('threads', () => {
    it('are released when they have been idle', async () => {
      const { call, pool } = poolOf({ idleTimeout: 1 });
      await call('add', 1, 1);
      while (pool.size > 0) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await call('add', 2, 2)).toBe(4);
    });

    it('end with the pool, although they are busy', async () => {
      const { call, pool } = poolOf();
      const counter = new SharedArrayBuffer(4);
      const view = new Int32Array(counter);
      const burning = call('burnForEver', counter);
      const waiting = call('add', 1, 1);
      const both = Promise.allSettled([burning, waiting]);
      await untilAtLeast(view, 0, 1);
      await pool.close();
      expect(await both).toMatchObject([
        { status: 'rejected', reason: { code: 'BGT_THREAD_POOL_CLOSED' } },
        { status: 'rejected', reason: { code: 'BGT_THREAD_POOL_CLOSED' } },
      ]);
      await untilStill(view, 0);
      await expect(call('add', 1, 1)).rejects.toMatchObject({ code: 'BGT_THREAD_POOL_CLOSED' });
      expect(pool.size).toBe(0);
    });
  });
});
