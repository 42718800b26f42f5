import { availableParallelism } from 'node:os';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { InvalidOptionError } from '../../../../lib/index.js';
import { closePool, openPool } from '../../../../lib/run/threads/open-pools.js';
import { threadFunction } from '../../../../lib/run/threads/thread-function.js';
import { toThreadPoolSettings } from '../../../../lib/run/threads/thread-options.js';
import type { ThreadPool } from '../../../../lib/run/threads/thread-pool.js';
import type { MethodIntake } from '../../../../lib/task/ambient.js';
import { createKit } from '../../support/kit.js';

describe('thread function', () => {
  const FILE = new URL('file:///app/resize-image.js');

  const opened: ThreadPool[] = [];

  /** An application with threads: what they are asked for, and what they reply. */
  function applicationWithThreads(reply: () => Promise<unknown> = () => Promise.resolve('done')) {
    const kit = createKit();
    const run = jest.fn<ThreadPool['run']>(reply);
    const pool = { run } as unknown as ThreadPool;
    opened.push(pool);
    return { ...kit, application: kit.intake as MethodIntake, run, pool };
  }

  afterEach(() => opened.splice(0).forEach((pool) => closePool(pool)));

  describe('a thread function', () => {
    it.each<[unknown, string]>([
      [new URL('https://host/resize.js'), 'https://host/resize.js'],
      ['/app/resize.js', "'/app/resize.js'"],
      [{ protocol: 'file:' }, 'an object'],
    ])('refuses %p', (file, received) => {
      expect(() => threadFunction(file as URL)).toThrow(
        `threadFunction() expects the URL of a file, got ${received}`,
      );
    });
  });

  const call = () => threadFunction(FILE, 'resize')();

  describe('the threads of a call', () => {
    it('are those of the application around it', async () => {
      const [one, other] = [applicationWithThreads(), applicationWithThreads()];
      openPool(one.application, one.pool);
      openPool(other.application, other.pool);
      await other.handle(call);
      one.runner.addTask(call);
      one.runner.addTask(call);
      await one.clock.settle();
      expect([one.run.mock.calls.length, other.run.mock.calls.length]).toEqual([2, 1]);
    });

    it('are missing if the application around it has none, although another has', async () => {
      const { application, pool } = applicationWithThreads();
      openPool(application, pool);
      await expect(createKit().handle(call)).rejects.toMatchObject({
        code: 'BGT_THREAD_NO_POOL',
        message: expect.stringContaining('this application has none'),
      });
    });

    it('are missing if no application has any, or several have', async () => {
      await expect(call()).rejects.toMatchObject({
        message: expect.stringContaining('no application with BackgroundTasksThreadsModule'),
      });
      for (const each of [applicationWithThreads(), applicationWithThreads()]) {
        openPool(each.application, each.pool);
      }
      await expect(call()).rejects.toMatchObject({
        message: expect.stringContaining('several applications are running'),
      });
    });

    it('are found after the close by tasks of the application only', async () => {
      const { application, pool, handle, run } = applicationWithThreads();
      openPool(application, pool);
      closePool(pool);
      await expect(call()).rejects.toMatchObject({ code: 'BGT_THREAD_NO_POOL' });
      await handle(call);
      expect(run).toHaveBeenCalledTimes(1);
    });
  });
});

describe('the options of the threads', () => {
  it('have defaults', () => {
    expect(toThreadPoolSettings({})).toEqual({
      threads: Math.max(1, availableParallelism() - 1),
      idleTimeoutMs: 10_000,
      maxQueue: 1_000,
      resourceLimits: undefined,
      execArgv: undefined,
    });
  });

  it('keep an idle thread no longer than the longest timer of Node.js', () => {
    expect(toThreadPoolSettings({ idleTimeout: '30d' })).toMatchObject({
      idleTimeoutMs: 2 ** 31 - 1,
    });
  });

  it.each<[object, string]>([
    [{ threads: 0 }, 'threads'],
    [{ threads: Number.POSITIVE_INFINITY }, 'threads'],
    [{ maxQueue: -1 }, 'maxQueue'],
    [{ idleTimeout: 'soon' }, 'idleTimeout'],
    [{ resourceLimits: { stackSizeMb: 0 } }, 'resourceLimits.stackSizeMb'],
    [{ execArgv: ['--import', 1] }, 'execArgv[1]'],
    [{ execArgv: '--import' }, 'execArgv'],
  ])('%j are refused at %s', (options, path) => {
    const attempt = () => toThreadPoolSettings(options);
    expect(attempt).toThrow(InvalidOptionError);
    expect(attempt).toThrow(`Option "BackgroundTasksThreadsModule.${path}"`);
  });
});
