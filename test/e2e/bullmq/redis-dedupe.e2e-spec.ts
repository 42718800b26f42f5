import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { TaskEvent } from 'nestjs-background-tasks';
import type { BullMQEngine } from '../../../lib/engine/bullmq/bullmq.engine.js';
import type { RedisStore } from '../../../lib/engine/bullmq/store/redis-store.js';
import { ENGINE } from '../../../lib/engine/engine.js';
import { describeWith } from '../../support/describe-with.js';
import { redisServer, type TestServer } from '../../support/servers.js';
import { freshPrefix, startApp, type TestApp } from './app.js';
import { eventually } from './engine.suite.js';

describeWith('redis-server', 'a dedupe window on Redis', () => {
  let server: TestServer;
  let prefix: string;
  let app: TestApp;

  beforeAll(async () => {
    server = await redisServer();
    await server.start();
  });

  afterAll(() => server.remove());

  beforeEach(async () => {
    prefix = freshPrefix();
    app = await startApp({ connection: server.url, prefix });
  });

  afterEach(() => app.close());

  /** How many keys are held, as the store has it when it is asked at this moment. */
  function heldKeys(): Promise<number> {
    const store = app.app.get<BullMQEngine>(ENGINE)['store'] as RedisStore;
    const { client } = store as unknown as {
      client: { keys(pattern: string): Promise<string[]> };
    };
    return client.keys(`${prefix}:default:de:*`).then(({ length }) => length);
  }

  /** What is held in the moment in which the first task settles. */
  function heldAtTheEnd(type: TaskEvent['type']): Promise<number> {
    return new Promise((resolve, reject) => {
      const subscription = app.tasks.events.subscribe((event) => {
        if (event.type === type) {
          subscription.unsubscribe();
          heldKeys().then(resolve, reject);
        }
      });
    });
  }

  it('goes on without a gap where a task completes within it', async () => {
    const { tasks, work } = app;
    const options = { dedupe: { key: 'x', window: '1h' } } as const;
    const held = heldAtTheEnd('completed');
    await tasks.addTask(options, work.note, 'first').whenSettled();
    expect(await held).toBe(1);
    const second = tasks.addTask(options, work.note, 'second');
    expect(await second.whenSettled()).toEqual({ status: 'dropped', reason: 'duplicate' });
    expect(work.done).toEqual(['first']);
  });

  it('goes on without a gap where a task fails within it', async () => {
    const { tasks, work } = app;
    const options = { retry: false, dedupe: { key: 'x', window: '1h' } } as const;
    const held = heldAtTheEnd('failed');
    await tasks.addTask(options, work.fail, 'first', 1).whenSettled();
    expect(await held).toBe(1);
    const second = tasks.addTask(options, work.fail, 'second', 1);
    expect(await second.whenSettled()).toEqual({ status: 'dropped', reason: 'duplicate' });
  });

  it('ends', async () => {
    const { tasks, work } = app;
    const options = { dedupe: { key: 'x', window: 200 } } as const;
    await tasks.addTask(options, work.note, 'first').whenSettled();
    await eventually(async () => expect(await heldKeys()).toBe(0));
    await tasks.addTask(options, work.note, 'second').whenSettled();
    expect(work.done).toEqual(['first', 'second']);
  });
});
