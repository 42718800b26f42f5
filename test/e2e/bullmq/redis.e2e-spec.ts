import { describe, expect, it } from '@jest/globals';
import type { BullMQEngine } from '../../../lib/engine/bullmq/bullmq.engine.js';
import { ENGINE } from '../../../lib/engine/engine.js';
import { describeWith, sharedServer } from '../../support/describe-with.js';
import { redisServer } from '../../support/servers.js';
import { freshPrefix, startApp, type TestApp } from './app.js';
import { bullmqSuite, eventually } from './engine.suite.js';
import { faultsSuite } from './faults.suite.js';
import { requestsSuite } from './requests.suite.js';
import { schedulesSuite } from './schedules.suite.js';

describeWith('redis-server', 'BullMQ on Redis', () => {
  const server = sharedServer(redisServer);
  bullmqSuite(server);
  describe('schedules', () => {
    schedulesSuite(server);
  });
  describe('faults of the field', () => {
    faultsSuite(server);
  });
  describe('requests', () => {
    requestsSuite(server);
  });

  it('has the concurrency of all processes together, which goes with the option', async () => {
    const { url: connection } = await server();
    const prefix = freshPrefix();
    const start = (concurrency: number | { each: number; all: number }): Promise<TestApp> =>
      startApp({ connection, prefix }, { queues: { default: { concurrency }, other: {} } });
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
