import { describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Injectable,
  Module,
  Post,
  UseGuards,
  type CanActivate,
  type DynamicModule,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  Background,
  BackgroundTasksModule,
  TaskRunner,
  Tasks,
  type BackgroundTasks,
} from 'nestjs-background-tasks';
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
  @Module({ imports: [BackgroundTasksModule.forRoot({ drainTimeout }), module] })
  class AppModule {}

  const log = new LogBook();
  const nest = await NestFactory.createApplicationContext(AppModule, {
    logger: log,
    abortOnError: false,
  });
  return { nest, log, runner: nest.get(TaskRunner) };
}

describe('threads', () => {
  it('take their options from other providers, too', async () => {
    class Factory {
      createBackgroundTasksThreadsOptions(): BackgroundTasksThreadsOptions {
        return { threads: 1, execArgv: EXEC_ARGV };
      }
    }
    const module = BackgroundTasksThreadsModule.forRootAsync({ useClass: Factory });
    const { nest, runner } = await contextOf(module);
    expect(await runner.addTask(add, 1, 2).whenSettled()).toMatchObject({ status: 'completed' });
    await nest.close();
  });

  it('run a task under the name of its function, and fail it with a clear error when they exit', async () => {
    const { nest, runner, log } = await contextOf();
    const sum = runner.addTask(add, 1, 2);
    expect(sum.name).toBe('add');
    expect(await sum.whenSettled()).toMatchObject({ status: 'completed' });
    const failed = await runner
      .addTask({ retry: { attempts: 2, delay: 1 } }, exit, 1)
      .whenSettled();
    expect(failed).toMatchObject({
      status: 'failed',
      attempts: 2,
      error: { code: 'BGT_THREAD_EXITED' },
    });
    expect(await runner.addTask(add, 3, 4).whenSettled()).toMatchObject({ status: 'completed' });
    expect(log.ofTasks('error')[0]).toContain('something called process.exit(1)');
    await nest.close();
  });

  it.each(['timeout', 'cancel'] as const)(
    'stop for real on %s, and the log knows of no body that goes on',
    async (how) => {
      const { nest, runner, log } = await contextOf();
      const counter = new SharedArrayBuffer(4);
      const view = new Int32Array(counter);
      const task = runner.addTask(
        how === 'timeout' ? { timeout: '1s' } : {},
        burnForEver,
        counter,
        undefined,
      );
      if (how === 'cancel') {
        await untilAtLeast(view, 0, 1);
        await task.cancel();
      }
      const outcome = await task.whenSettled();
      expect(outcome.status).toBe(how === 'timeout' ? 'failed' : 'cancelled');
      // Whoever is next needs the thread, and gets one.
      await runner.addTask(add, 1, 1).whenSettled();
      await untilStill(view, 0);
      expect(log.ofTasks('warn').filter((message) => message.includes('goes on'))).toEqual([]);
      await nest.close();
    },
  );

  it('are there until the drain is over', async () => {
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

  it('are ended when the drain has taken too long', async () => {
    const { nest, runner } = await contextOf({}, '50ms');
    const counter = new SharedArrayBuffer(4);
    const view = new Int32Array(counter);
    const task = runner.addTask(burnForEver, counter, undefined);
    await untilAtLeast(view, 0, 1);
    await nest.close();
    expect(await task.whenSettled()).toMatchObject({ status: 'abandoned' });
    await untilStill(view, 0);
  });

  it('are not found without the module, and the error says what to import', async () => {
    @Module({ imports: [BackgroundTasksModule.forRoot()] })
    class AppModule {}

    const nest = await NestFactory.createApplicationContext(AppModule, { logger: false });
    expect(await nest.get(TaskRunner).addTask(add, 1, 2).whenSettled()).toMatchObject({
      status: 'failed',
      error: {
        code: 'BGT_THREAD_NO_POOL',
        message: expect.stringContaining('BackgroundTasksThreadsModule.forRoot()'),
      },
    });
    await nest.close();
    await expect(add(1, 2)).rejects.toMatchObject({
      code: 'BGT_THREAD_NO_POOL',
      message: expect.stringContaining('unit test'),
    });
  });

  it('are refused twice in one application, and with options that do not exist', async () => {
    @Module({ imports: [BackgroundTasksModule.forRoot(), threads(), threads({ threads: 2 })] })
    class Twice {}

    await expect(
      NestFactory.createApplicationContext(Twice, { logger: false, abortOnError: false }),
    ).rejects.toMatchObject({ code: 'BGT_THREAD_DUPLICATE_MODULE' });
    await expect(contextOf({ thread: 1 } as object)).rejects.toMatchObject({
      message: 'Unknown option "BackgroundTasksThreadsModule.thread". Did you mean "threads"?',
    });
    await expect(contextOf({ threads: 0 })).rejects.toMatchObject({
      path: 'BackgroundTasksThreadsModule.threads',
    });
  });

  onEachPlatform((platform) => {
    it("run inside a @Background() method and inside a handler, in their application's threads", async () => {
      @Injectable()
      class Sums {
        readonly results: number[] = [];

        @Background()
        async compute(a: number, b: number): Promise<void> {
          this.results.push(await add(a, b));
        }
      }

      @Controller('sums')
      class SumsController {
        constructor(readonly sums: Sums) {}

        @Get()
        async now(): Promise<{ sum: number }> {
          return { sum: await add(20, 22) };
        }

        @Post()
        later(@Tasks() tasks: BackgroundTasks): void {
          tasks.addTask(this.sums.compute, 1, 2);
        }
      }

      const app = await startApp(platform, {
        imports: [threads()],
        controllers: [SumsController],
        providers: [Sums],
      });
      expect(JSON.parse((await app.request('/sums')).body)).toEqual({ sum: 42 });
      expect((await app.request('/sums', { method: 'POST' })).status).toBe(201);
      await app.untilSettled(1);
      expect(app.names('completed')).toEqual(['Sums.compute']);
      expect(app.nest.get(Sums).results).toEqual([3]);
    });

    it('are not to be had for a guard or a handler: the client is told when to come back', async () => {
      class AddingGuard implements CanActivate {
        async canActivate(): Promise<boolean> {
          return (await add(1, 2)) === 3;
        }
      }

      @Controller()
      class SumsController {
        @Get('handled')
        async handled(): Promise<number> {
          return add(1, 2);
        }

        @UseGuards(AddingGuard)
        @Get('guarded')
        guarded(): string {
          return 'let in';
        }
      }

      const app = await startApp(platform, {
        imports: [threads({ maxQueue: 1 })],
        controllers: [SumsController],
      });
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
      expect(await app.request('/guarded')).toMatchObject({ status: 200, body: 'let in' });
    });
  });
});
