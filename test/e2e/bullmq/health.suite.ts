import { expect, it } from '@jest/globals';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { BackgroundTasksModule } from 'nestjs-background-tasks';
import { bullmq } from 'nestjs-background-tasks/bullmq';
import { BackgroundTasksHealthIndicator } from 'nestjs-background-tasks/health';
import { eventually } from '../../support/eventually.js';
import type { TestServer } from '../../support/servers.js';
import { TestStore } from './store.js';

export function healthSuite(makeServer: () => Promise<TestServer>): void {
  const store = new TestStore(makeServer);

  it('health is down while the store is, within the bound, and up again with it', async () => {
    const engine = bullmq({ connection: store.url, prefix: store.prefix });
    @Module({
      imports: [BackgroundTasksModule.forRoot({ engine }), TerminusModule],
      providers: [BackgroundTasksHealthIndicator],
    })
    class AppModule {}

    const app = await NestFactory.createApplicationContext(AppModule, { logger: false });
    store.closing(app);
    const health = app.get(BackgroundTasksHealthIndicator);
    const check = async (timeout: string | number = 5_000): Promise<unknown> =>
      (await health.check('tasks', { timeout: timeout as number })).tasks;
    const up = { status: 'up', queues: { default: { pending: 0, running: 0 } } };
    await eventually(async () => expect(await check()).toMatchObject(up));

    await store.server.kill();
    expect(await check(500)).toEqual({
      status: 'down',
      problems: [expect.stringContaining('the store takes no tasks: ')],
      queues: {},
    });

    await store.server.start();
    await eventually(async () => expect(await check()).toMatchObject(up));

    store.server.freeze();
    expect(await check(500)).toMatchObject({ status: 'down' });
    store.server.thaw();
    await eventually(async () => expect(await check()).toMatchObject(up));
  });
}
