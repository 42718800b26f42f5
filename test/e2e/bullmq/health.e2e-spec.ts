import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { BackgroundTasksModule } from 'nestjs-background-tasks';
import { bullmq } from 'nestjs-background-tasks/bullmq';
import { BackgroundTasksHealthIndicator } from 'nestjs-background-tasks/health';
import { describeWith } from '../../support/describe-with.js';
import { redisServer, type TestServer } from '../../support/servers.js';
import { freshPrefix } from './app.js';
import { eventually } from './engine.suite.js';

describeWith('redis-server', 'the health of an application whose tasks are in Redis', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await redisServer();
    await server.start();
  });
  afterAll(() => server.remove());

  it('is down while Redis is, within the bound, and up again with it', async () => {
    @Module({
      imports: [
        BackgroundTasksModule.forRoot({
          engine: bullmq({ connection: server.url, prefix: freshPrefix() }),
        }),
        TerminusModule,
      ],
      providers: [BackgroundTasksHealthIndicator],
    })
    class AppModule {}

    const app = await NestFactory.createApplicationContext(AppModule, { logger: false });
    try {
      const health = app.get(BackgroundTasksHealthIndicator);
      const check = async (timeout: string | number = 5_000): Promise<unknown> =>
        (await health.check('tasks', { timeout: timeout as number })).tasks;
      const up = { status: 'up', queues: { default: { pending: 0, running: 0 } } };
      await eventually(async () => expect(await check()).toMatchObject(up));

      await server.kill();
      expect(await check(500)).toEqual({
        status: 'down',
        problems: [expect.stringContaining('the store takes no tasks: ')],
        queues: {},
      });

      await server.start();
      await eventually(async () => expect(await check()).toMatchObject(up));

      server.freeze();
      expect(await check(500)).toMatchObject({ status: 'down' });
      server.thaw();
      await eventually(async () => expect(await check()).toMatchObject(up));
    } finally {
      server.thaw();
      await app.close();
    }
  });
});
