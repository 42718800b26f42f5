import { describe, expect, it } from '@jest/globals';
import { Injectable, UseGuards, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Background, TaskRunner } from 'nestjs-background-tasks';
import {
  BackgroundTasksThreadsModule,
  threadFunction,
  type BackgroundTasksThreadsOptions,
} from 'nestjs-background-tasks/threads';
import {
  EXEC_ARGV,
  SharedGate,
  fixture,
  untilAtLeast,
  untilStill,
} from '../../unit/run/threads/pool.js';
import { LogBook } from '../../support/log-book.js';
import { onEachPlatform } from '../support/platforms.js';
import { rootModule } from '../support/root-module.js';
import { routes } from '../support/routes.js';
import { startApp } from '../support/running-app.js';

type Work = typeof import('../../unit/run/threads/fixtures/work.mjs');

const WORK = new URL(fixture('work.mjs'));
const add = threadFunction<Work['add']>(WORK, 'add');
const burnForEver = threadFunction<Work['burnForEver']>(WORK, 'burnForEver');
const waitFor = threadFunction<Work['waitFor']>(WORK, 'waitFor');
const exit = threadFunction<Work['exit']>(WORK, 'exit');

const threads = (options: BackgroundTasksThreadsOptions = {}) =>
  BackgroundTasksThreadsModule.forRoot({ threads: 1, execArgv: EXEC_ARGV, ...options });

async function contextOf(
  options: BackgroundTasksThreadsOptions | DynamicModule = {},
  drainTimeout: `${number}ms` | '10s' = '10s',
) {
  const module = 'module' in options ? options : threads(options);
  const log = new LogBook();
  const root = rootModule({ options: { drainTimeout }, imports: [module] });
  const nest = await NestFactory.createApplicationContext(root, { logger: log });
  return { nest, log, runner: nest.get(TaskRunner) };
}

describe('tasks in threads', () => {
  // Errors of a thread, and its options: test/unit/run/threads.
  it('have the names of their functions, and a pool whose options come from another provider', async () => {
    class Factory {
      createBackgroundTasksThreadsOptions(): BackgroundTasksThreadsOptions {
        return { threads: 1, execArgv: EXEC_ARGV };
      }
    }
    const module = BackgroundTasksThreadsModule.forRootAsync({ useClass: Factory });
    const { nest, runner } = await contextOf(module);
    const sum = runner.addTask(add, 1, 2);
    expect(sum.name).toBe('add');
    expect(await sum.whenSettled()).toMatchObject({ status: 'completed' });
    const retry = { attempts: 2, delay: 1 };
    expect(await runner.addTask({ retry }, exit, 1).whenSettled()).toMatchObject({
      status: 'failed',
      attempts: 2,
      error: { code: 'BGT_THREAD_EXITED' },
    });
    await nest.close();
  });

  it('are stopped for real by a timeout and by cancel(), so that the log warns of no body that goes on', async () => {
    const { nest, runner, log } = await contextOf();
    const buffers = [new SharedArrayBuffer(4), new SharedArrayBuffer(4)] as const;
    const [late, cancelled] = buffers.map((buffer) => new Int32Array(buffer)) as [
      Int32Array,
      Int32Array,
    ];
    const outcome = await runner
      .addTask({ timeout: '1s' }, burnForEver, buffers[0], undefined)
      .whenSettled();
    expect(outcome.status).toBe('failed');
    // Each task needs the thread of the one before, and gets one.
    const task = runner.addTask(burnForEver, buffers[1], undefined);
    await untilAtLeast(cancelled, 0, 1);
    await task.cancel();
    await runner.addTask(add, 1, 1).whenSettled();
    await untilStill(late, 0);
    await untilStill(cancelled, 0);
    expect(log.ofTasks('warn').filter((message) => message.includes('goes on'))).toEqual([]);
    await nest.close();
  });

  it('P13: are finished by a shutdown, running and queued ones', async () => {
    const { nest, runner } = await contextOf();
    const gate = new SharedGate();
    const first = runner.addTask(waitFor, gate.buffer);
    const second = runner.addTask(add, 1, 2);
    await gate.untilArrived(1);
    const closing = nest.close();
    gate.open();
    await closing;
    expect(await first.whenSettled()).toMatchObject({ status: 'completed' });
    expect(await second.whenSettled()).toMatchObject({ status: 'completed' });
  });

  it('P13: are ended with their threads when the drain takes longer than drainTimeout', async () => {
    const { nest, runner } = await contextOf({}, '50ms');
    const counter = new SharedArrayBuffer(4);
    const view = new Int32Array(counter);
    const task = runner.addTask(burnForEver, counter, undefined);
    await untilAtLeast(view, 0, 1);
    await nest.close();
    expect(await task.whenSettled()).toMatchObject({ status: 'abandoned' });
    await untilStill(view, 0);
  });

  it('refuse a second BackgroundTasksThreadsModule in one application', async () => {
    const twice = rootModule({ imports: [threads(), threads({ threads: 2 })] });
    await expect(
      NestFactory.createApplicationContext(twice, { logger: false, abortOnError: false }),
    ).rejects.toMatchObject({ code: 'BGT_THREAD_DUPLICATE_MODULE' });
  });

  onEachPlatform((platform) => {
    it('share their pool with methods, handlers and guards, whose clients get 503 and retry-after while it is full', async () => {
      @Injectable()
      class Sums {
        readonly results: number[] = [];

        @Background()
        async compute(a: number, b: number): Promise<void> {
          this.results.push(await add(a, b));
        }
      }

      const adding = { canActivate: async () => (await add(1, 2)) === 3 };
      const controller = routes({
        'GET /handled': async () => ({ sum: await add(20, 22) }),
        'GET /guarded': [() => 'let in', UseGuards(adding)],
        'POST /later': (tasks) => void tasks.addTask(Sums.prototype.compute, 1, 2),
      });
      const app = await startApp(platform, {
        imports: [threads({ maxQueue: 1 })],
        controllers: [controller],
        providers: [Sums],
      });
      expect(JSON.parse((await app.request('/handled')).body)).toEqual({ sum: 42 });
      expect((await app.request('/guarded')).body).toBe('let in');
      await app.request('/later', { method: 'POST' });
      await app.untilSettled(1);
      expect(app.names('completed')).toEqual(['Sums.compute']);
      expect(app.nest.get(Sums).results).toEqual([3]);

      const gate = new SharedGate();
      const tasks = [1, 2].map(() => app.runner.addTask(waitFor, gate.buffer));
      await gate.untilArrived(1);
      for (const path of ['/handled', '/guarded']) {
        expect(await app.request(path)).toMatchObject({
          status: 503,
          headers: { 'retry-after': '1' },
        });
      }
      gate.open();
      await Promise.all(tasks.map((task) => task.whenSettled()));
    });
  });
});
