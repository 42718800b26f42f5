import { rm } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  Controller,
  Get,
  type INestApplication,
  type INestApplicationContext,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import request from 'supertest';
import { TaskRunner, type Duration } from 'nestjs-background-tasks';
import { BackgroundTasksHealthIndicator, type HealthBounds } from 'nestjs-background-tasks/health';
import { BackgroundTasksTesting } from 'nestjs-background-tasks/testing';
import { rootModule } from '../../e2e/support/root-module.js';
import { LogBook } from '../../support/log-book.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { createKit } from '../support/kit.js';
import { FragileStore, engineOn } from '../journal/support/stores.js';

const HEALTH = { imports: [TerminusModule], providers: [BackgroundTasksHealthIndicator] };

describe('GET /health', () => {
  let app: INestApplication;
  let tasks: BackgroundTasksTesting;

  async function start(bounds: HealthBounds): Promise<TaskRunner> {
    @Controller('health')
    class HealthController {
      constructor(
        private readonly health: HealthCheckService,
        private readonly indicator: BackgroundTasksHealthIndicator,
      ) {}

      @Get()
      @HealthCheck()
      check(): ReturnType<HealthCheckService['check']> {
        return this.health.check([() => this.indicator.check('tasks', bounds)]);
      }
    }

    const root = rootModule({
      options: { queues: { emails: {} } },
      controllers: [HealthController],
      ...HEALTH,
    });
    tasks = new BackgroundTasksTesting('manual');
    const module = await tasks
      .install(Test.createTestingModule({ imports: [root] }))
      .setLogger(new LogBook())
      .compile();
    app = module.createNestApplication();
    await app.listen(0, '127.0.0.1');
    return app.get(TaskRunner);
  }

  const get = (): request.Test => request(app.getHttpServer() as never).get('/health');

  afterEach(() => {
    jest.useRealTimers();
    return app.close();
  });

  it('is down while a task has waited for too long', async () => {
    const runner = await start({ queues: { emails: { maxPendingAge: '30s' } } });
    await runner.pause();
    runner.addTask({ queue: 'emails' }, () => undefined);
    runner.addTask(() => undefined);
    await tasks.advance('30s');
    await get().expect(200);
    await tasks.advance('1s');
    const { body } = await get().expect(503);
    expect(body).toMatchObject({
      status: 'error',
      error: {
        tasks: {
          status: 'down',
          problems: ['queue emails: a task has waited for 31000 ms, longer than 30s'],
          queues: { emails: { isPaused: true, oldestPendingAgeMs: 31_000 } },
        },
      },
    });
    await runner.resume();
    await tasks.drain();
    await get().expect(200);
  });

  it('is down while too many tasks fail, and up again later', async () => {
    const runner = await start({ maxFailureRate: 0.2, window: '1m', minRuns: 5 });
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'setTimeout', 'nextTick', 'performance'] });
    const run = async (count: number, fails: boolean): Promise<void> => {
      for (let index = 0; index < count; index += 1) {
        runner.addTask(() => (fails ? Promise.reject(new Error('no')) : Promise.resolve()));
      }
      await tasks.drain();
    };
    await run(3, true);
    await get().expect(200); // three runs are too few to tell
    await run(7, false);
    const { body } = await get().expect(503);
    expect(body).toMatchObject({
      error: { tasks: { problems: ['queue default: 0.300 of 10 tasks failed, more than 0.2'] } },
    });
    // Another check with the same indicator looks further back.
    const indicator = app.get(BackgroundTasksHealthIndicator);
    await indicator.check('hour', { window: '1h' });
    jest.setSystemTime(Date.now() + 61_000);
    await run(10, false);
    const later = await get().expect(200);
    expect(later.body).toMatchObject({
      details: { tasks: { queues: { default: { failureRate: 0 } } } },
    });
    jest.setSystemTime(Date.now() + 59 * 60_000);
    await get().expect(200);
    expect(await indicator.check('hour', { window: '1h' })).toMatchObject({
      hour: { queues: { default: { failureRate: 0 } } },
    });
  });

  it('judges a queue by its first task with minRuns: 0, and none that has run nothing', async () => {
    const runner = await start({ maxFailureRate: 0, minRuns: 0 });
    await get().expect(200);
    runner.addTask(() => Promise.reject(new Error('no')));
    await tasks.drain();
    const { body } = await get().expect(503);
    expect(body).toMatchObject({
      error: { tasks: { problems: ['queue default: 1.000 of 1 tasks failed, more than 0'] } },
    });
  });
});

describe('health of a journal', () => {
  let path: string;
  let store: FragileStore;
  let app: INestApplicationContext;

  const check = async (timeout: Duration = '30d'): Promise<unknown> =>
    (await app.get(BackgroundTasksHealthIndicator).check('tasks', { timeout })).tasks;

  beforeEach(async () => {
    path = await temporaryFolder();
    store = new FragileStore(path);
    const root = rootModule({ options: { engine: engineOn(store, { path }) }, ...HEALTH });
    app = await NestFactory.createApplicationContext(root, { logger: false });
  });

  afterEach(async () => {
    store.mood = 'well';
    await app.close();
  });

  it('D18: is down while the disk refuses commits, and up again later', async () => {
    expect(await check()).toMatchObject({ status: 'up' });
    store.mood = 'refuses commits';
    expect(await check()).toMatchObject({
      status: 'down',
      problems: [expect.stringMatching(/^the store takes no tasks: .*the disk is full/)],
      queues: { default: { pending: 0 } },
    });
    store.mood = 'well';
    expect(await check()).toMatchObject({ status: 'up' });
  });

  it('D18: is down while the disk does not answer', async () => {
    store.mood = 'silent';
    expect(await check(50)).toMatchObject({ status: 'down' });
  });

  it('D18: is down if the journal is gone', async () => {
    await rm(path, { recursive: true });
    expect(await check()).toMatchObject({ status: 'down' });
  });
});

describe('the bounds of a healthy queue', () => {
  const indicator = new BackgroundTasksHealthIndicator(createKit().runner);

  it.each<[string, unknown]>([
    ['health', null],
    ['health.maxPendingAg', { maxPendingAg: '1m' }],
    ['health.maxPendingAge', { maxPendingAge: '1 minute' }],
    ['health.maxFailureRate', { maxFailureRate: 10 }],
    ['health.window', { window: 'long' }],
    ['health.minRuns', { minRuns: '5' }],
    ['health.minRuns', { minRuns: -1 }],
    ['health.timeout', { timeout: Number.NaN }],
    ['health.queues', { queues: ['default'] }],
    ['health.queues.default.maxAge', { queues: { default: { maxAge: 1 } } }],
    ['health.queues.emails', { queues: { emails: {} } }],
  ])('are refused with the name of the wrong one: %s in %j', async (path, bounds) => {
    await expect(indicator.check('tasks', bounds as HealthBounds)).rejects.toMatchObject({ path });
  });
});
