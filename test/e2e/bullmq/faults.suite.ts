/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { NestFactory } from '@nestjs/core';
import { Redis } from 'ioredis';
import { Background, type Outcome } from 'nestjs-background-tasks';
import { eventually } from '../../support/eventually.js';
import { postgresClient } from '../../support/postgres-client.js';
import type { TestServer } from '../../support/servers.js';
import { send } from '../support/client.js';
import { LogBook } from '../../support/log-book.js';
import { onEachPlatform } from '../support/platforms.js';
import { portOf } from '../support/port-of.js';
import { routes } from '../support/routes.js';
import { rootModule, Work } from './app.js';
import { TestStore } from './store.js';

/** Knows a name that others do not. */
class Newer {
  static done: string[] = [];

  @Background({ name: 'newer' })
  async newer(text: string): Promise<void> {
    Newer.done.push(text);
  }
}

/** Whether a server that answers takes what is written. */
async function setWritable({ url }: TestServer, isWritable: boolean): Promise<void> {
  if (url.startsWith('postgres')) {
    const client = await postgresClient(url);
    await client.query('SET default_transaction_read_only = off');
    await client.query(
      `ALTER SYSTEM SET default_transaction_read_only = ${isWritable ? 'off' : 'on'}`,
    );
    await client.query('SELECT pg_reload_conf()');
    await client.end();
  } else {
    const redis = new Redis(url);
    await redis.config('SET', 'min-replicas-to-write', isWritable ? 0 : 1);
    await redis.quit();
  }
}

/** What went wrong in the field, with the number of its row. */
export function faultsSuite(makeServer: () => Promise<TestServer>): void {
  const store = new TestStore(makeServer);
  const start = store.start.bind(store);

  onEachPlatform(({ createAdapter }) => {
    it('D1: a handler that asks for the outcome learns how the task ended in another process', async () => {
      await start({ role: 'worker' });
      let outcome: Promise<Outcome> | undefined;
      const asking = routes({
        'POST /': (tasks) => {
          outcome = tasks.addTask(Work.prototype.note, 'asked for').whenSettled();
        },
      });
      const { url: connection, prefix } = store;
      const root = rootModule({ connection, prefix, role: 'producer' }, {}, [Work], [asking]);
      const app = await NestFactory.create(root, createAdapter(), { logger: new LogBook() });
      store.closing(app);
      await app.listen(0, '127.0.0.1');
      await eventually(async () => {
        expect((await send(portOf(app), '/', { method: 'POST' })).status).toBe(201);
      });
      expect(await outcome).toMatchObject({ status: 'completed' });
    });
  });

  it('D8: a task that is added while a worker is being paused runs on one that is idle', async () => {
    const [one, other] = await Promise.all([start(), start()]);
    for (let round = 0; round < 4; round += 1) {
      const [paused, idle] = round % 2 === 0 ? [one, other] : [other, one];
      // Both have run out of tasks, and wait for the next.
      await pause(100);
      await paused.tasks.pause();
      await idle.work.note(`round ${round}`);
      await idle.work.until(`round ${round}`);
      await paused.tasks.resume();
      expect(paused.work.done).not.toContain(`round ${round}`);
    }
  });

  it('D9: a task that was fetched as its application closed is back in the queue', async () => {
    for (let round = 0; round < 6; round += 1) {
      const app = await start();
      await app.tasks.addTask(app.work.note, 'before').whenSettled();
      await pause(50);
      app.tasks.addTask(app.work.note, `round ${round}`);
      await pause(round % 4);
      await app.close();
      const queue = store.queue();
      expect(await queue.getActiveCount()).toBe(0);
      await queue.close();
    }
  });

  it('D16: tasks with a name that most workers do not know run on the one that does', async () => {
    Newer.done = [];
    const [{ app, tasks }] = await Promise.all([start({}, {}, [Newer]), start(), start(), start()]);
    const newer = app.get(Newer);
    for (const text of ['a', 'b', 'c', 'd', 'e']) {
      expect(await tasks.addTask(newer.newer, text).whenSettled()).toMatchObject({
        status: 'completed',
      });
    }
    expect(Newer.done).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('D18: ping() rejects while the store takes nothing, though it answers', async () => {
    const { tasks, work } = await start();
    await eventually(() => work.note('before'));
    await tasks.ping();
    await setWritable(store.server, false);
    await eventually(() => expect(work.note('refused')).rejects.toThrow(/did not store/));
    await eventually(() => expect(tasks.ping()).rejects.toThrow(/could not be read/));
    const adding = tasks.addSchedule({ name: 'rare', every: '1h' }, work.note, 'tick');
    await expect(adding).rejects.toMatchObject({ code: 'BGT_STORE_UNAVAILABLE' });
    await setWritable(store.server, true);
    await eventually(() => tasks.ping());
    await eventually(() => work.note('after'));
  });

  it('D19: a read after the close is refused, as there is nothing to read from', async () => {
    const { tasks, work, close } = await start();
    await tasks.addTask(work.note, 'one').whenSettled();
    await close();
    const reads = [tasks.stats(), tasks.list(), tasks.get('no such id'), tasks.listSchedules()];
    for (const read of reads) {
      await expect(read).rejects.toThrow(/cannot be used any more/);
    }
  });

  it('D25: a job that a newer version has stored is left as it is, and told of', async () => {
    const { tasks, work, log } = await start();
    await tasks.addTask(work.note, 'one').whenSettled();
    const queue = store.queue();
    const data = { v: 99, args: '["two"]', by: 'newer', addedAt: Date.now(), unheard: { of: 1 } };
    await queue.add('note', data, { jobId: 'newer' });
    await eventually(async () => expect(log.text).toMatch(/newer version/));
    await eventually(async () => expect(await queue.getDelayedCount()).toBe(1));
    expect((await queue.getJob('newer'))?.data).toEqual(data);
    expect(work.done).toEqual(['one']);
    await queue.close();
  });
}
