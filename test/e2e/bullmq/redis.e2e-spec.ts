import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { BullMQEngine } from '../../../lib/engine/bullmq/bullmq.engine.js';
import { ENGINE } from '../../../lib/engine/engine.js';
import { describeWith } from '../../support/describe-with.js';
import { redisServer, type TestServer } from '../../support/servers.js';
import { freshPrefix, startApp, type TestApp } from './app.js';
import { bullmqSuite, eventually } from './engine.suite.js';

describeWith('redis-server', 'BullMQ on Redis', () => bullmqSuite(redisServer));

describeWith('redis-server', 'the concurrency of all processes', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await redisServer();
    await server.start();
  });
  afterAll(() => server.remove());

  it('is that of all of them together, and goes with the option', async () => {
    const prefix = freshPrefix();
    const start = (concurrency: number | { each: number; all: number }): Promise<TestApp> =>
      startApp(
        { connection: server.url, prefix },
        { queues: { default: { concurrency }, other: {} } },
      );
    const apps = await Promise.all([1, 2].map(() => start({ each: 2, all: 3 })));
    const done = (): string[] => apps.flatMap(({ work }) => work.done);
    const [{ tasks, work }] = apps;
    const texts = ['one', 'two', 'three', 'four'];
    const handles = texts.map((text) => tasks.addTask(work.wait, text));
    await eventually(async () => expect(done()).toHaveLength(3));
    await tasks.addTask({ queue: 'other' }, work.note, 'beside them').whenSettled();
    expect((await tasks.stats()).queues['default']).toMatchObject({ running: 3, pending: 1 });
    texts.forEach((text) => apps.forEach((app) => app.work.open(text)));
    await Promise.all(handles.map((handle) => handle.whenSettled()));
    await Promise.all(apps.map((app) => app.close()));
    const last = await start(2);
    await eventually(async () => {
      const queue = last.app.get<BullMQEngine>(ENGINE, { strict: false })['store'].queue('default');
      expect(await queue.getGlobalConcurrency()).toBeNull();
    });
    await last.close();
  });
});
