import { expect, it } from '@jest/globals';
import { eventually } from '../../support/eventually.js';
import { describeWith, sharedServer } from '../../support/describe-with.js';
import { redisServer } from '../../support/servers.js';
import { jobsOf } from './engine.suite.js';
import { networkSuite } from './network.suite.js';
import { storeSuites } from './store-suites.js';
import { TestStore } from './store.js';
import { storedSuite } from './stored.suite.js';
import { traceSuite } from './trace.suite.js';

describeWith('redis-server', 'BullMQ on Redis', () => {
  const server = sharedServer(redisServer);
  storeSuites(server, {
    'what versions have stored': storedSuite,
    traces: traceSuite,
    networks: networkSuite,
  });

  const store = new TestStore(server);
  it('P8: a queue has the concurrency of all processes together, until no application asks for one', async () => {
    const apps = await Promise.all(
      [1, 2].map(() =>
        store.start({}, { queues: { default: { concurrency: { each: 2, all: 3 } }, other: {} } }),
      ),
    );
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
    const last = await store.start();
    await eventually(async () => {
      expect(await jobsOf(last).getGlobalConcurrency()).toBeNull();
    });
  });
});
