import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { Module, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { BackgroundTasksModule } from 'nestjs-background-tasks';
import { BackgroundTasksHealthIndicator } from 'nestjs-background-tasks/health';
import { engineOn, FragileStore } from '../journal/support/stores.js';

let path: string;
let store: FragileStore;
let app: INestApplicationContext;

const check = async (timeout = 60_000): Promise<unknown> =>
  (await app.get(BackgroundTasksHealthIndicator).check('tasks', { timeout })).tasks;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'health-'));
  store = new FragileStore(path);
  const engine = engineOn(store, { path });
  @Module({
    imports: [BackgroundTasksModule.forRoot({ engine }), TerminusModule],
    providers: [BackgroundTasksHealthIndicator],
  })
  class AppModule {}
  app = await NestFactory.createApplicationContext(AppModule, { logger: false });
});

afterEach(async () => {
  store.mood = 'well';
  await app.close();
  await rm(path, { recursive: true, force: true });
});

it('D18: is down while the disk refuses what is committed, and up again when it does not', async () => {
  expect(await check()).toMatchObject({ status: 'up' });
  store.mood = 'refuses commits';
  expect(await check()).toMatchObject({
    status: 'down',
    problems: [expect.stringMatching(/^the store of the tasks takes none: .*the disk is full/)],
    queues: { default: { pending: 0 } },
  });
  store.mood = 'well';
  expect(await check()).toMatchObject({ status: 'up' });
});

it('D18: is down while the disk does not answer', async () => {
  store.mood = 'silent';
  expect(await check(50)).toMatchObject({ status: 'down' });
});

it('D18: is down where the journal is gone', async () => {
  await rm(path, { recursive: true });
  expect(await check()).toMatchObject({ status: 'down' });
});
