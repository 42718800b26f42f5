import { once } from 'node:events';
import { describe, expect, it, jest } from '@jest/globals';
import { Job } from 'bullmq';
import type { BullMQEngine } from '../../../lib/engine/bullmq/bullmq.engine.js';
import { ENGINE } from '../../../lib/engine/engine.js';
import type { JobQueue } from '../../../lib/engine/bullmq/codec/stored-job.js';
import type { JobStore } from '../../../lib/engine/bullmq/store/job-store.js';
import { whenDraining } from '../../conformance/support/application.js';
import { Deferred } from '../../support/deferred.js';
import { eventually } from '../../support/eventually.js';
import type { TestServer } from '../../support/servers.js';
import type { TestApp } from './app.js';
import { TestStore } from './store.js';

/** What BullMQ has to do with tasks, on whatever store. */
export function bullmqSuite(makeServer: () => Promise<TestServer>): void {
  const store = new TestStore(makeServer);
  const start = store.start.bind(store);

  describe('one process', () => {
    it('events that are published while a connection for them is made are heard', async () => {
      const jobStore = jobStoreOf(await start({ role: 'producer' }));
      await jobStore.ready();
      const lastEventId = jest.spyOn(
        jobStore as unknown as { lastEventId(queue: string): Promise<string> },
        'lastEventId',
      );
      const events = jobStore.events('default');
      const heard = once(events, 'completed');
      await lastEventId.mock.results[0]?.value; // events are read from here on
      await jobStore
        .queue('default')
        .backend.publishEvent({ event: 'completed', jobId: 'one', returnvalue: '{}' }, 1_000);
      expect(await heard).toMatchObject([{ jobId: 'one' }, expect.anything()]);
      await events.close();
    });

    it('events are not read once the application closes, which is no error', async () => {
      const app = await start({ role: 'producer' });
      const jobStore = jobStoreOf(app);
      await jobStore.ready();
      await jobStore.events('default').close();
      await app.close();
      expect(app.log.of('error')).toEqual([]);
    });

    it.each([
      ['while its dedupe key is claimed', 'hasKey'],
      ['before this process knows that it has it', 'process'],
    ])('D11: a task that is cancelled %s does not run', async (_when, step) => {
      const { app, tasks, work } = await start();
      const engine = app.get<BullMQEngine>(ENGINE, { strict: false });
      const taken = holdUp(engine['consumer'], step);
      const told = jest.spyOn(engine['held'], 'cancelMarked');
      const handle = tasks.addTask({ dedupe: { key: 'x' } }, work.wait, 'one');
      await taken.asked;
      expect(await handle.cancel()).toBe(true);
      await eventually(() => expect(told).toHaveBeenCalledTimes(step === 'process' ? 1 : 0));
      taken.answer();
      expect(await handle.whenSettled()).toMatchObject({ status: 'cancelled' });
      expect(work.done).toEqual([]);
    });

    it('a task that is cancelled while its failed attempt is recorded does not run again', async () => {
      const { tasks, work } = await start();
      const recorded = holdUp(Job.prototype, 'moveToFailed');
      const handle = tasks.addTask({ retry: { attempts: 2, delay: '1h' } }, work.fail, 'once', 1);
      await recorded.asked;
      const cancelled = handle.cancel();
      recorded.answer();
      expect(await cancelled).toBe(true);
      expect(await handle.whenSettled()).toMatchObject({ status: 'cancelled' });
    });

    it('D11: a task that is taken while it is being cancelled does not run', async () => {
      const { tasks, work } = await start();
      await tasks.pause();
      const removed = holdUp(Job.prototype, 'remove');
      const handle = tasks.addTask(work.note, 'one');
      const cancelled = handle.cancel();
      await removed.asked;
      await tasks.resume();
      await handle.whenSettled();
      removed.answer();
      expect(await cancelled).toBe(true);
      expect(work.done).toEqual([]);
    });

    it('D11: a task that is cancelled while it is found that its turn has not come does not run', async () => {
      const { app, tasks, work } = await start();
      const chain = tasks.chain();
      const first = chain.addTask(work.wait, 'first');
      const second = chain.addTask(work.note, 'second');
      await work.until('first begins');
      const engine = app.get<BullMQEngine>(ENGINE, { strict: false });
      const turn = holdUp(engine['consumer']['line'], 'turnOf');
      await engine['store'].queue('default').backend.promote(second.id);
      await turn.asked;
      expect(await second.cancel()).toBe(true);
      turn.answer();
      await eventually(() => expect(engine['held'].has(second.id)).toBe(false));
      work.open('first');
      await first.whenSettled();
      expect(await second.whenSettled()).toMatchObject({ status: 'cancelled' });
      expect(work.done).not.toContain('second');
    });

    it('D11: a task that is cancelled while it goes back as the application closes does not come back', async () => {
      const first = await start({}, { drainTimeout: 1 });
      const handle = first.tasks.addTask(first.work.wait, 'long');
      await first.work.until('long begins');
      const moved = holdUp(Job.prototype, 'moveToWait');
      const closing = first.close();
      await moved.asked;
      const cancelling = handle.cancel();
      moved.answer();
      const isCancelled = await Promise.resolve(cancelling).catch(() => false); // the store may be closed
      await closing;
      const jobStore = jobStoreOf(await start({ role: 'producer' }));
      await jobStore.ready();
      const job = await jobStore.queue('default').getJob(handle.id);
      expect(job !== undefined && isCancelled).toBe(false);
    });

    it('the rest of a chain is dropped, also if the store no longer has the task that failed', async () => {
      const { tasks, work } = await start({}, { keep: { count: 1 } });
      const chain = tasks.chain();
      const first = chain.addTask({ delay: 100, retry: false }, work.fail, 'first', 1);
      const second = chain.addTask({ delay: 500 }, work.note, 'second');
      const third = chain.addTask(work.note, 'third');
      await first.whenSettled();
      await tasks.addTask({ retry: false }, work.fail, 'another', 1).whenSettled();
      expect(await second.whenSettled()).toMatchObject({ status: 'dropped' });
      expect(await third.whenSettled()).toMatchObject({ status: 'dropped' });
      expect(work.done).toEqual(['first 1', 'another 1']);
    });

    it.each([
      ['both', '10 at once'],
      ['producer', 'run by other processes'],
    ] as const)('O25: an application logs who runs its tasks: role %s', async (role, who) => {
      const { log } = await start({ role });
      expect(log.text).toMatch(
        new RegExp(`Queues: .*default \\(BullMQ on (Redis|PostgreSQL), ${who}\\)`),
      );
    });

    it('a task is found by its name among many others', async () => {
      const { tasks, work } = await start({ role: 'producer' });
      await Promise.all(Array.from({ length: 150 }, (_, index) => work.note(`${index}`)));
      await work.fail('sought', 1);
      await work.note('after it');
      expect(await tasks.list({ name: 'fail', limit: 1 })).toMatchObject([{ name: 'fail' }]);
      expect(await tasks.list({ limit: 200 })).toHaveLength(152);
      expect(await tasks.list({ limit: 120 })).toHaveLength(120);
      expect(await tasks.counts()).toMatchObject({ queued: 152 });
    });

    it('a queue that is paused everywhere starts no task, also in processes that come later', async () => {
      const queues = { other: {} };
      const [one, other] = await Promise.all([start({}, { queues }), start({}, { queues })]);
      await one.tasks.pause('default', { everywhere: true });
      const handle = other.tasks.addTask(other.work.note, 'held');
      await eventually(async () => expect((await one.tasks.get(handle.id))?.status).toBe('queued'));
      const later = await start({}, { queues });
      expect((await later.tasks.stats()).queues).toMatchObject({
        default: { isPaused: true, pending: 1 },
        other: { isPaused: false },
      });
      await later.tasks.addTask({ queue: 'other' }, later.work.note, 'beside it').whenSettled();
      expect([one, other, later].flatMap(({ work }) => work.done)).toEqual(['beside it']);
      await later.tasks.resume('default', { everywhere: true });
      expect(await handle.whenSettled()).toMatchObject({ status: 'completed' });
    });

    it('P13: no task starts during the shutdown, though a queue is resumed', async () => {
      const { app, tasks, work } = await start({}, { queues: { default: { concurrency: 1 } } });
      await work.wait('running');
      await work.until('running begins');
      await tasks.pause();
      await work.note('left');
      const draining = whenDraining(app.get(ENGINE, { strict: false }));
      const closed = app.close();
      await draining;
      await tasks.resume();
      // As long as it takes to fetch a task.
      await tasks.ping();
      await tasks.ping();
      work.open('running');
      await closed;
      expect(work.done).toEqual(['running begins', 'running ends']);
    });
  });

  describe('two processes', () => {
    it('a task with an unknown name is kept, logged once, and offered again', async () => {
      const producer = await start({ role: 'producer' });
      await producer.work.note('for a newer version');
      await producer.work.note('for it, too');
      const older = await start({ role: 'worker' }, {}, []);
      const complaints = (): string[] =>
        older.log.text.split('\n').filter((line) => line.includes('tasks named "note"'));
      const jobs = jobsOf(producer);
      const putOff = async (): Promise<unknown[]> => jobs.getDelayed();
      await eventually(async () => expect(await putOff()).toHaveLength(2));
      expect(complaints()).toEqual([expect.stringContaining('They are kept')]);
      await older.close();
      const newer = await start({ role: 'worker' });
      // What would happen by itself in half a minute.
      await jobs.promoteJobs();
      await newer.work.until('for a newer version');
      await newer.work.until('for it, too');
    });

    it('a task that cannot be made again is kept, logged with the reason, and offered again or cancelled', async () => {
      const serializer = {
        serialize: (value: unknown) => `~${JSON.stringify(value)}`,
        deserialize: (text: string) => JSON.parse(text.slice(1)) as unknown[],
      };
      const producer = await start({ role: 'producer', serializer });
      await producer.work.note('in another language');
      const unable = await start({ role: 'worker' });
      const jobs = jobsOf(producer);
      await eventually(async () => {
        expect(await jobs.getDelayed()).toHaveLength(1);
      });
      expect(unable.log.text).toMatch(
        /error .*has a task "note" \(.+\) in queue "default" that cannot be made again here: .+It is kept/,
      );
      expect(await unable.tasks.list()).toMatchObject([{ name: 'note', args: [] }]);
      const unwanted = producer.tasks.addTask({ delay: '1h' }, producer.work.note, 'unwanted');
      await eventually(async () => expect(await unable.tasks.cancel(unwanted.id)).toBe(true));
      expect(await producer.tasks.get(unwanted.id)).toBeUndefined();
      await unable.work.wait('another');
      await unable.work.until('another begins');
      unable.work.open('another');
      await unable.close();
      expect(unable.work.done).toEqual(['another begins', 'another ends']);
      const able = await start({ role: 'worker', serializer });
      // What would happen by itself in half a minute.
      await jobs.promoteJobs();
      await able.work.until('in another language');
    });

    it('a task that is linked to one in an unknown queue is kept, and logged', async () => {
      const producer = await start({ role: 'producer' }, { queues: { gone: {} } });
      const chain = producer.tasks.chain();
      chain.addTask({ queue: 'gone' }, producer.work.note, 'first');
      chain.addTask(producer.work.note, 'second');
      await eventually(async () => {
        expect(await jobsOf(producer).getDelayed()).toHaveLength(1);
      });
      // What would happen by itself in some seconds.
      await jobsOf(producer).promoteJobs();
      const worker = await start({ role: 'worker' });
      await eventually(async () =>
        expect(worker.log.text).toMatch(/cannot be made again here: .+"gone".+It is kept/),
      );
      await eventually(async () =>
        expect((await worker.tasks.stats()).queues['default']).toMatchObject({ running: 0 }),
      );
      expect(worker.work.done).toEqual([]);
    });

    it('the handle of a task that another process has cancelled settles', async () => {
      const { tasks, work } = await start({ role: 'producer' });
      const other = await start({ role: 'producer' });
      const handle = tasks.addTask({ delay: '1h' }, work.note, 'never');
      await eventually(async () => expect(await other.tasks.cancel(handle.id)).toBe(true));
      expect(await handle.whenSettled()).toMatchObject({ status: 'abandoned' });
    });

    it('a failed task that another process has retried is no longer listed as failed', async () => {
      const first = await start();
      const handle = first.tasks.addTask(first.work.wait, 'long');
      await first.work.until('long begins');
      first.work.break('long');
      expect(await handle.whenSettled()).toMatchObject({ status: 'failed' });
      expect(await first.tasks.list({ status: 'failed' })).toHaveLength(1);
      await first.tasks.pause();
      const second = await start();
      const again = await second.tasks.retry(handle.id);
      await second.work.until('long begins');
      expect(await first.tasks.list({ status: 'failed' })).toEqual([]);
      expect(await first.tasks.retry(handle.id)).toBeUndefined();
      second.work.open('long');
      expect(await again?.whenSettled()).toMatchObject({ status: 'completed' });
    });

    it('a task that another process runs is cancelled', async () => {
      const producer = await start({ role: 'producer' });
      const worker = await start({ role: 'worker' });
      const handle = producer.tasks.addTask(producer.work.wait, 'long');
      await worker.work.until('long begins');
      expect(await producer.tasks.cancel(handle.id)).toBe(true);
      expect(await handle.whenSettled()).toMatchObject({ status: 'cancelled' });
      expect(worker.work.signals[0]?.aborted).toBe(true);
    });

    it('D11: a task that another process cancels while its failed attempt is recorded does not wait for its retry', async () => {
      const producer = await start({ role: 'producer' });
      const worker = await start({ role: 'worker' });
      const told = jest.spyOn(
        worker.app.get<BullMQEngine>(ENGINE, { strict: false })['held'],
        'cancelMarked',
      );
      const recorded = holdUp(Job.prototype, 'moveToFailed');
      const options = { retry: { attempts: 2, delay: '1h' } } as const;
      const handle = producer.tasks.addTask(options, producer.work.fail, 'once', 1);
      await recorded.asked;
      expect(await handle.cancel()).toBe(true);
      await eventually(() => expect(told).toHaveBeenCalledTimes(1));
      recorded.answer();
      expect(await handle.whenSettled()).toMatchObject({ status: 'cancelled' });
    });

    it('a task that is forgotten as it is retried stays', async () => {
      const { app, tasks, work } = await start();
      const handle = tasks.addTask(work.wait, 'long');
      work.break('long');
      await handle.whenSettled();
      const forgetting = holdUp(Job.prototype, 'remove');
      const engine = app.get<BullMQEngine>(ENGINE, { strict: false });
      const isForgotten = engine.kept.forget(handle.id);
      await forgetting.asked;
      const running = holdUp(engine['consumer'], 'run');
      await tasks.retry(handle.id);
      await running.asked;
      forgetting.answer();
      expect(await isForgotten).toBe(false);
      running.answer();
    });

    it('a task that is cancelled as it ends, and is no longer kept, was not cancelled', async () => {
      const producer = await start({ role: 'producer' });
      const worker = await start({ role: 'worker' });
      const handle = producer.tasks.addTask(producer.work.wait, 'long');
      await worker.work.until('long begins');
      const marking = holdUp(Job.prototype, 'updateData');
      const isCancelled = producer.tasks.cancel(handle.id);
      await marking.asked;
      worker.work.open('long');
      await handle.whenSettled();
      await (await jobsOf(producer).getJob(handle.id))?.remove();
      marking.answer();
      expect(await isCancelled).toBe(false);
    });
  });
}

/** The queue as the engine of an application has it. */
export function jobsOf(app: TestApp): JobQueue {
  return jobStoreOf(app).queue('default');
}

function jobStoreOf({ app }: TestApp): JobStore {
  return app.get<BullMQEngine>(ENGINE, { strict: false })['store'];
}

/** Lets the next call of a method wait until it is answered. */
function holdUp(object: object, method: string): { asked: Promise<void>; answer: () => void } {
  const [asked, answered] = [new Deferred(), new Deferred()];
  const methods = object as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const original = methods[method];
  const spy = jest.spyOn(methods, method);
  spy.mockImplementation(async function (this: unknown, ...args) {
    spy.mockRestore();
    asked.resolve();
    await answered.promise;
    return original?.apply(this, args);
  });
  return { asked: asked.promise, answer: () => answered.resolve() };
}
