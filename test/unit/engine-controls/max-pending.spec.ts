/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  Background,
  QueueFullError,
  type QueueOptions,
  type TaskHandle,
} from '../../../lib/index.js';
import { createApp } from '../support/app.js';
import { statuses } from '../support/tasks.js';

const createFull = (queue: QueueOptions) =>
  createApp({}, { queues: { default: { concurrency: 1, ...queue } } });

@Injectable()
class Mailer {
  readonly sent: number[] = [];
  work = (): Promise<void> => Promise.resolve();

  @Background({ batch: { size: 3, wait: '1m' } })
  async send(ids: number[]): Promise<void> {
    this.sent.push(...ids);
    await this.work();
  }
}

async function createMailer(queue: QueueOptions) {
  const app = await createApp({ providers: [Mailer] }, { queues: { default: queue, other: {} } });
  return { ...app, mailer: app.module.get(Mailer) };
}

function refusalOf(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error('It was not refused.');
}

describe('P12: a full queue', () => {
  it('refuses a task with an error that Nest answers as 503', async () => {
    const { runner, probe } = await createFull({ maxPending: 2 });
    runner.addTask(probe.body('1'));
    runner.addTask(probe.body('2'));
    expect(refusalOf(() => runner.addTask(probe.body('3')))).toMatchObject({
      code: 'BGT_QUEUE_FULL',
      queue: 'default',
      maxPending: 2,
      statusCode: 503,
      retryAfterSeconds: 1,
      message:
        'Queue "default" is full: 2 tasks are pending. Try again later, raise its maxPending, or ' +
        "set overflow: 'drop-oldest'.",
    });
  });

  it('does not count the calls of a batch that runs', async () => {
    const { clock, runner, mailer } = await createMailer({ concurrency: 1, maxPending: 3 });
    mailer.work = () => clock.sleep(100);
    [1, 2, 3].forEach((id) => runner.addTask(mailer.send, [id]));
    refusalOf(() => runner.addTask(mailer.send, [4]));
    await clock.settle();
    const handles = [4, 5, 6].map((id) => runner.addTask(mailer.send, [id]));
    refusalOf(() => runner.addTask(mailer.send, [7]));
    await clock.advance(1_000);
    expect(statuses(handles)).toEqual(['completed', 'completed', 'completed']);
  });

  it('refuses to retry a failed task, which stays failed', async () => {
    const { clock, runner, probe } = await createFull({ maxPending: 1 });
    const failed = runner.addTask(probe.body('failed', 0, new Error('no')));
    await clock.settle();
    await runner.pause();
    runner.addTask(probe.body('other'));
    await expect(runner.retry(failed.id)).rejects.toBeInstanceOf(QueueFullError);
    expect(await runner.get(failed.id)).toMatchObject({ status: 'failed' });
    await runner.resume();
    await clock.settle();
    expect((await runner.retry(failed.id))?.id).toBe(failed.id);
  });
});

describe("overflow: 'drop-oldest'", () => {
  const DROPPING = { maxPending: 3, overflow: 'drop-oldest' } as const;

  it('drops the task that has waited longest in the lowest lane', async () => {
    const { clock, runner, probe } = await createFull(DROPPING);
    await runner.pause();
    const add = (priority: 'high' | 'normal' | 'low', name: string) =>
      runner.addTask({ priority }, probe.body(name));
    const low = ['low 1', 'low 2'].map((name) => add('low', name));
    const high = ['high 1', 'high 2', 'high 3', 'high 4'].map((name) => add('high', name));
    expect(statuses([...low, ...high])).toEqual([
      'dropped',
      'dropped',
      'dropped',
      'queued',
      'queued',
      'queued',
    ]);
    await runner.resume();
    await clock.settle();
    expect(probe.begun).toEqual(['high 2', 'high 3', 'high 4']);
  });

  it('shows a dropped task in outcome, event and log', async () => {
    const { runner, probe, record, logger } = await createFull({ ...DROPPING, maxPending: 1 });
    const events = record();
    await runner.pause();
    const first = runner.addTask(probe.body('first'));
    runner.addTask(probe.body('second'));
    expect(await first.whenSettled()).toEqual({ status: 'dropped', reason: 'overflow' });
    const types = events.map(({ type }) => type).join(' ');
    expect(types).toBe('added queued dropped added queued');
    expect(logger.of('warn')).toContainEqual(
      expect.stringMatching(/was dropped: its queue was full, and it made room for a newer task$/),
    );
    expect((await runner.stats()).queues['default']).toMatchObject({ dropped: 1, pending: 1 });
  });

  it('also drops tasks that wait for their key', async () => {
    const { clock, runner, probe } = await createFull({
      ...DROPPING,
      maxPending: 2,
      concurrency: 2,
    });
    const handles: TaskHandle[] = [];
    for (const name of ['1', '2', '3', '4', '5']) {
      handles.push(runner.addTask({ concurrencyKey: 'k' }, probe.body(name, 10)));
      await clock.settle();
    }
    expect(statuses(handles)).toEqual(['running', 'dropped', 'dropped', 'queued', 'queued']);
    await clock.advance(100);
    expect(probe.begun).toEqual(['1', '4', '5']);
  });

  it('drops the oldest delayed or retrying task if nothing else waits', async () => {
    const { clock, runner, probe } = await createFull({ ...DROPPING, maxPending: 2 });
    const retrying = runner.addTask({ retry: { attempts: 2, delay: 1_000 } }, () =>
      Promise.reject(new Error('no')),
    );
    await clock.settle();
    const delayed = runner.addTask({ delay: 2_000, priority: 'low' }, probe.body('delayed'));
    await runner.pause();
    const [first, second] = ['1', '2'].map((name) => runner.addTask(probe.body(name)));
    expect(statuses([retrying, delayed, first])).toEqual(['dropped', 'delayed', 'dropped']);
    const third = runner.addTask({ delay: 10 }, probe.body('3'));
    expect(statuses([delayed, second, third])).toEqual(['delayed', 'dropped', 'delayed']);
    runner.addTask({ delay: 5 }, probe.body('4'));
    await runner.resume();
    await clock.advance(10_000);
    expect(statuses([delayed, third])).toEqual(['dropped', 'completed']);
    expect(probe.begun).toEqual(['4', '3']);
  });

  it('drops the oldest gathered call if nothing else waits', async () => {
    const { clock, runner, mailer } = await createMailer({ ...DROPPING, maxPending: 2 });
    const handles = [runner.addTask({ queue: 'other' }, mailer.send, [0])];
    for (const id of [1, 2, 3]) {
      await clock.advance(1);
      handles.push(runner.addTask(mailer.send, [id]));
    }
    await clock.advance(60_000);
    expect(statuses(handles)).toEqual(['completed', 'dropped', 'completed', 'completed']);
    expect(mailer.sent).toEqual([0, 2, 3]);
  });

  it('refuses if nothing can make room, without advising an option that is set', async () => {
    const { clock, handle, runner } = await createFull({ maxPending: 1, overflow: 'drop-oldest' });
    await handle((tasks) => {
      tasks.addTask(() => undefined);
      expect(refusalOf(() => runner.addTask(() => undefined))).toMatchObject({
        code: 'BGT_QUEUE_FULL',
        message:
          'Queue "default" is full: 1 tasks are pending. Try again later, or raise its maxPending.',
      });
    });
    await clock.settle();
  });
});

describe("retryAll() where overflow is 'drop-oldest'", () => {
  it('waits for room: no dead letter is dropped for another', async () => {
    const { runner, clock } = await createFull({ maxPending: 2, overflow: 'drop-oldest' });
    const order: number[] = [];
    let isDown = true;
    for (const tag of [1, 2, 3, 4, 5]) {
      runner.addTask(() => {
        if (isDown) {
          throw new Error('down');
        }
        order.push(tag);
      });
      await clock.advance(1);
    }
    isDown = false;
    await runner.pause();
    const retried = runner.retryAll();
    await clock.advance(100);
    expect(await runner.counts()).toMatchObject({ queued: 2, failed: 3, dropped: 0 });
    await runner.resume();
    await clock.advance(1_000);
    expect(await retried).toBe(5);
    expect(order).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('retryAll() of a chain', () => {
  it('rejects if the queue never has room for it', async () => {
    const { runner, clock, probe } = await createFull({ maxPending: 2 });
    const chain = runner.chain();
    chain.addTask({ name: 'head' }, async () => {
      await clock.sleep(10);
      throw new Error('down');
    });
    await clock.advance(1);
    const rest = ['second', 'third'].map((name) => chain.addTask(probe.body(name)));
    await clock.advance(10);
    expect(statuses(rest)).toEqual(['dropped', 'dropped']);
    await expect(runner.retryAll()).rejects.toThrow(
      'Task "head" comes back with the 2 tasks of its chain, and queue "default" has room for 2 only',
    );
    expect(await runner.counts()).toMatchObject({ failed: 1, queued: 0 });
  });
});
