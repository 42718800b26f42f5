import { describe, expect, it } from '@jest/globals';
import {
  InvalidOptionError,
  UnknownOptionError,
  UnknownQueueError,
  type TaskHandle,
} from '../../../lib/index.js';
import { type App, createApp } from '../support/app.js';
import { resolutionOf } from '../support/resolution.js';

const ONE_AT_A_TIME = { queues: { default: { concurrency: 1 }, other: { concurrency: 1 } } };

describe('TaskRunner.get()', () => {
  it('gives times as Date.now() does: in whole milliseconds', async () => {
    const { clock, runner } = await createApp();
    const begin = clock.now();
    await clock.advance(0.75);
    const { id } = runner.addTask(() => clock.sleep(10));
    await clock.advance(1.5);
    expect(await runner.get(id)).toMatchObject({ addedAt: begin, startedAt: begin });
  });

  it('keeps the arguments of a failed task only, which can be retried', async () => {
    const { clock, runner } = await createApp();
    const failed = runner.addTask((_id: number) => Promise.reject(new Error('no')), 1);
    const completed = runner.addTask((_id: number) => undefined, 2);
    const cancelled = runner.addTask((_id: number) => undefined, 3);
    await cancelled.cancel();
    await clock.settle();
    const args = async ({ id }: TaskHandle) => (await runner.get(id))?.args;
    expect([await args(failed), await args(completed), await args(cancelled)]).toEqual([
      [1],
      [],
      [],
    ]);
  });
});

describe('TaskRunner.list()', () => {
  it('lists unsettled tasks, then remembered ones, the latest first', async () => {
    const { clock, runner, handle } = await createApp({}, ONE_AT_A_TIME);
    const add = (name: string, body: () => unknown) => runner.addTask({ name }, body);
    add('completed 1', () => undefined);
    add('completed 2', () => undefined);
    add('failed', () => Promise.reject(new Error('no')));
    const retry = { attempts: 2, delay: 1_000, jitter: 'none' } as const;
    runner.addTask({ name: 'retrying', retry }, () => Promise.reject(new Error('no')));
    add('running', () => clock.sleep(1_000));
    await clock.settle();
    await add('cancelled', () => undefined).cancel();
    add('queued', () => undefined);
    runner.addTask({ name: 'delayed', delay: 10 }, () => undefined);
    await handle(async (tasks) => {
      tasks.addTask({ name: 'collected' }, () => undefined);
      const listed = (await runner.list()).map(({ name, status }) => `${name}: ${status}`);
      expect(listed.slice(0, 5).toSorted()).toEqual([
        'collected: collected',
        'delayed: delayed',
        'queued: queued',
        'retrying: retrying',
        'running: running',
      ]);
      expect(listed.slice(5)).toEqual([
        'completed 2: completed',
        'completed 1: completed',
        'failed: failed',
        'cancelled: cancelled',
      ]);
    });
  });

  it('lists the tasks of open requests as collected', async () => {
    const { runner, handle } = await createApp({}, ONE_AT_A_TIME);
    const collected = async () =>
      (await runner.list({ status: 'collected' })).map(({ name, queue }) => `${name} ${queue}`);
    const counted = async (queue?: string) => (await runner.counts(queue)).collected;
    await handle(async (tasks) => {
      tasks.addTask({ name: 'a' }, () => undefined);
      await tasks.addTask({ name: 'b' }, () => undefined).cancel();
      await handle(async (others) => {
        others.addTask({ name: 'c', queue: 'other' }, () => undefined);
        expect(await collected()).toEqual(['a default', 'c other']);
        expect([await counted(), await counted('other')]).toEqual([2, 1]);
      });
      expect(await collected()).toEqual(['a default']);
    });
    expect(await collected()).toEqual([]);
    expect(await counted()).toBe(0);
  });

  it('lists a hundred tasks unless more are asked for', async () => {
    const { runner } = await createApp();
    for (let index = 0; index < 150; index += 1) {
      runner.addTask(() => undefined);
    }
    expect(await runner.list()).toHaveLength(100);
    expect(await runner.list({ limit: Infinity })).toHaveLength(150);
  });

  it('lists each task once, also in a listener of an end', async () => {
    const { clock, runner } = await createApp({}, ONE_AT_A_TIME);
    const first = runner.addTask({ name: 'first' }, () => undefined);
    runner.addTask({ name: 'second' }, () => undefined);
    const seen: Promise<string[]>[] = [];
    runner.events.subscribe(({ type, id }) => {
      if (type === 'completed' && id === first.id) {
        seen.push(runner.list().then((all) => all.map(({ name, status }) => `${name} ${status}`)));
      }
    });
    await clock.settle();
    expect(await Promise.all(seen)).toEqual([['second queued', 'first completed']]);
  });

  it.each<[string, unknown, new (...args: never[]) => Error]>([
    ['an unknown status', { status: 'done' }, InvalidOptionError],
    ['an unknown key', { state: 'queued' }, UnknownOptionError],
    ['an unknown queue', { queue: 'mail' }, UnknownQueueError],
    ['a limit of nothing', { limit: 0 }, InvalidOptionError],
    ['a limit that is no number', { limit: 'all' }, InvalidOptionError],
  ])('refuses %s', async (_, filter, type) => {
    const { runner } = await createApp();
    await expect(runner.list(filter as never)).rejects.toBeInstanceOf(type);
  });
});

describe('TaskRunner.pause() and resume()', () => {
  it('stop all queues, or one, and let them go on', async () => {
    const { clock, runner, probe } = await createApp({}, ONE_AT_A_TIME);
    const add = (name: string, queue: string) => runner.addTask({ queue }, probe.body(name));
    await runner.pause();
    add('default 1', 'default');
    add('other 1', 'other');
    await clock.settle();
    expect(probe.begun).toEqual([]);
    await runner.resume('other');
    await clock.settle();
    expect(probe.begun).toEqual(['other 1']);
    await runner.resume();
    await clock.settle();
    expect(probe.begun).toEqual(['other 1', 'default 1']);
    await runner.pause('default');
    add('default 2', 'default');
    add('other 2', 'other');
    await clock.settle();
    expect(probe.begun).toEqual(['other 1', 'default 1', 'other 2']);
  });

  it('refuse unknown queues', async () => {
    const { runner } = await createApp({}, ONE_AT_A_TIME);
    await expect(runner.pause('othr')).rejects.toBeInstanceOf(UnknownQueueError);
    await expect(runner.resume('othr')).rejects.toBeInstanceOf(UnknownQueueError);
    await expect(runner.counts('othr')).rejects.toBeInstanceOf(UnknownQueueError);
  });
});

/** Whether all is idle a moment before so much time has passed, and when it has. */
async function idleAfter(
  { clock, runner }: App,
  ms: number,
): Promise<[before: boolean, after: boolean]> {
  const idleness = resolutionOf(runner.whenIdle());
  await clock.advance(ms - 1);
  const before = idleness.isThere;
  await clock.advance(1);
  return [before, idleness.isThere];
}

describe('TaskRunner.whenIdle()', () => {
  it('waits for running, delayed and retrying tasks', async () => {
    const app = await createApp({}, { retry: { attempts: 2, delay: 100, jitter: 'none' } });
    app.runner.addTask(app.probe.body('runs', 10));
    expect(await idleAfter(app, 10)).toEqual([false, true]);
    app.runner.addTask({ delay: 50 }, app.probe.body('delayed'));
    expect(await idleAfter(app, 50)).toEqual([false, true]);
    app.runner.addTask(app.probe.body('fails', 0, new Error('no')));
    expect(await idleAfter(app, 100)).toEqual([false, true]);
  });

  it('waits for the tasks of open requests, and for tasks that tasks add', async () => {
    const app = await createApp();
    const request = app.handle(async (tasks) => {
      tasks.addTask(() => {
        app.runner.addTask(app.probe.body('late', 10));
      });
      await app.clock.sleep(50);
    });
    await app.clock.settle();
    expect(await idleAfter(app, 60)).toEqual([false, true]);
    await request;
  });

  it('resolves when the last task is cancelled, or dropped by its request', async () => {
    const app = await createApp();
    await app.runner.pause();
    const handle = app.runner.addTask(() => undefined);
    const idle = app.runner.whenIdle();
    await handle.cancel();
    await idle;
    let isIdle: Promise<void> | undefined;
    const request = app.handle((tasks) => {
      tasks.addTask(() => undefined);
      isIdle = app.runner.whenIdle();
      throw new Error('the handler fails');
    });
    await expect(request).rejects.toThrow('the handler fails');
    await isIdle;
  });
});

describe('remember', () => {
  it('is a thousand of each status unless the module says otherwise', async () => {
    const { clock, runner } = await createApp();
    const handles = Array.from({ length: 1_001 }, () => runner.addTask(() => undefined));
    handles.forEach(({ id }) => id);
    await clock.settle();
    expect(await runner.list({ limit: Infinity })).toHaveLength(1_000);
    expect(await runner.get(handles[0].id)).toBeUndefined();
    expect(await runner.get(handles[1].id)).toBeDefined();
  });
});
