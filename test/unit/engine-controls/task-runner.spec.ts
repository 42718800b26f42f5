import { describe, expect, it } from '@jest/globals';
import { NestFactory } from '@nestjs/core';
import { Module } from '@nestjs/common';
import {
  BackgroundTasksModule,
  InvalidOptionError,
  TaskRunner,
  UnknownOptionError,
  UnknownQueueError,
  type BackgroundTasksOptions,
  type TaskHandle,
} from '../../../lib/index.js';
import { createApp } from '../support/app.js';
import { Probe } from '../support/probe.js';
import { resolutionOf } from '../support/resolution.js';

async function createRunner(options: BackgroundTasksOptions = {}) {
  const app = await createApp({}, options);
  return { ...app, probe: new Probe(app.clock) };
}

const fail = () => Promise.reject(new Error('no'));

const ONE_AT_A_TIME = { queues: { default: { concurrency: 1 }, other: { concurrency: 1 } } };

describe('TaskRunner.get()', () => {
  it('tells times as Date.now() does: in whole milliseconds', async () => {
    const { clock, runner } = await createRunner();
    const begin = clock.now();
    await clock.advance(0.75);
    const { id } = runner.addTask(() => clock.sleep(10));
    await clock.advance(1.5);
    expect(await runner.get(id)).toMatchObject({ addedAt: begin, startedAt: begin });
  });

  it('keeps the arguments of a failed task, which can be run again, and of no other', async () => {
    const { clock, runner } = await createRunner();
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

  it('finds a task that a request has collected', async () => {
    const { runner, handle } = await createRunner();
    await handle(async (tasks) => {
      const { id } = tasks.addTask(() => undefined);
      expect(await runner.get(id)).toMatchObject({ id, status: 'collected' });
    });
  });
});

describe('TaskRunner.list()', () => {
  it('has unsettled ones, collected or released, then the remembered ones, the latest first', async () => {
    const { clock, runner, handle } = await createRunner(ONE_AT_A_TIME);
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

  it('has those of requests under way, until they are released', async () => {
    const { runner, handle } = await createRunner(ONE_AT_A_TIME);
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

  it('has a hundred unless more are asked for', async () => {
    const { runner } = await createRunner();
    for (let index = 0; index < 150; index += 1) {
      runner.addTask(() => undefined);
    }
    expect(await runner.list()).toHaveLength(100);
    expect(await runner.list({ limit: Infinity })).toHaveLength(150);
  });

  it('has each task once, those parked for their key and those in line too', async () => {
    const { clock, runner, handle } = await createRunner();
    for (const name of ['k1', 'k2', 'k3']) {
      runner.addTask({ name, concurrencyKey: 'k' }, () => clock.sleep(10));
    }
    await handle((tasks) => {
      for (const name of ['l1', 'l2', 'l3']) {
        tasks.addTask({ name }, () => clock.sleep(10));
      }
    });
    await clock.settle();
    expect((await runner.list()).map(({ name }) => name).toSorted()).toEqual([
      'k1',
      'k2',
      'k3',
      'l1',
      'l2',
      'l3',
    ]);
  });

  it('shows to a listener of an end each task once, as it stands', async () => {
    const { clock, runner } = await createRunner(ONE_AT_A_TIME);
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
    const { runner } = await createRunner();
    await expect(runner.list(filter as never)).rejects.toBeInstanceOf(type);
  });
});

describe('TaskRunner.retry()', () => {
  it('keeps its options', async () => {
    const { clock, runner } = await createRunner({ queues: { other: {} } });
    const options = { queue: 'other', priority: 'low', delay: 100 } as const;
    const failed = runner.addTask(options, () => Promise.reject(new Error('no')));
    await clock.advance(100);
    await runner.retry(failed.id);
    expect(await runner.get(failed.id)).toMatchObject({
      status: 'delayed',
      queue: 'other',
      priority: 'low',
    });
  });

  it('is for failed tasks only, and once for each failure', async () => {
    const { clock, runner } = await createRunner();
    const completed = runner.addTask(() => undefined);
    const failed = runner.addTask(() => Promise.reject(new Error('no')));
    expect(await runner.retry(failed.id)).toBeUndefined();
    await clock.settle();
    expect(await runner.retry(completed.id)).toBeUndefined();
    expect(await runner.retry('of nobody')).toBeUndefined();
    expect(await Promise.all([runner.retry(failed.id), runner.retry(failed.id)])).toEqual([
      expect.anything(),
      undefined,
    ]);
  });

  it('takes the failure out of what is remembered, and the next one in', async () => {
    const { clock, runner } = await createRunner();
    const failed = runner.addTask(() => Promise.reject(new Error('no')));
    await clock.settle();
    await runner.retry(failed.id);
    expect(await runner.list({ status: 'failed' })).toEqual([]);
    await clock.settle();
    expect((await runner.list({ status: 'failed' })).map(({ id }) => id)).toEqual([failed.id]);
    expect((await runner.retry(failed.id))?.id).toBe(failed.id);
  });

  it('leaves the handle of the failure as it was, and gives one of its own', async () => {
    const { clock, runner } = await createRunner();
    const errors: (Error | undefined)[] = [new Error('no'), undefined];
    const failed = runner.addTask(() => {
      const error = errors.shift();
      return error === undefined ? Promise.resolve() : Promise.reject(error);
    });
    await clock.settle();
    const again = await runner.retry(failed.id);
    await clock.settle();
    expect([failed.status, again?.status]).toEqual(['failed', 'completed']);
    expect([await failed.cancel(), await again?.cancel()]).toEqual([false, false]);
  });
});

describe('TaskRunner.pause() and resume()', () => {
  it('hold all queues, or one, and let them go on', async () => {
    const { clock, runner, probe } = await createRunner(ONE_AT_A_TIME);
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

  it('hold later attempts, and tasks that become due', async () => {
    const { clock, runner, probe } = await createRunner({
      retry: { attempts: 2, delay: 10, jitter: 'none' },
    });
    runner.addTask(probe.body('fails', 5, new Error('no')));
    runner.addTask({ delay: 10 }, probe.body('delayed'));
    await clock.settle();
    await runner.pause();
    await clock.advance(1_000);
    expect(probe.begun).toEqual(['fails']);
    await runner.resume();
    await clock.settle();
    expect(probe.begun).toEqual(['fails', 'delayed', 'fails']);
  });

  it('tell in the figures which queues are paused', async () => {
    const { runner } = await createRunner(ONE_AT_A_TIME);
    await runner.pause('other');
    const { queues } = await runner.stats();
    expect([queues['default'].isPaused, queues['other'].isPaused]).toEqual([false, true]);
  });

  it('refuse unknown queues', async () => {
    const { runner } = await createRunner(ONE_AT_A_TIME);
    await expect(runner.pause('othr')).rejects.toBeInstanceOf(UnknownQueueError);
    await expect(runner.resume('othr')).rejects.toBeInstanceOf(UnknownQueueError);
    await expect(runner.counts('othr')).rejects.toBeInstanceOf(UnknownQueueError);
  });

  it.each([null, 5, {}])('refuses what is no name of a queue: %p', async (queue) => {
    const { runner } = await createRunner();
    for (const call of ['pause', 'resume', 'counts'] as const) {
      await expect(runner[call](queue as never)).rejects.toThrow(
        /^Option "queue": expected a non-empty string, got /,
      );
    }
  });
});

/** Whether all is idle a moment before so much time has passed, and when it has. */
async function idleAfter(
  { clock, runner }: Awaited<ReturnType<typeof createRunner>>,
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
    const app = await createRunner({ retry: { attempts: 2, delay: 100, jitter: 'none' } });
    app.runner.addTask(app.probe.body('runs', 10));
    expect(await idleAfter(app, 10)).toEqual([false, true]);
    app.runner.addTask({ delay: 50 }, app.probe.body('delayed'));
    expect(await idleAfter(app, 50)).toEqual([false, true]);
    app.runner.addTask(app.probe.body('fails', 0, new Error('no')));
    expect(await idleAfter(app, 100)).toEqual([false, true]);
  });

  it('waits for the tasks of requests under way, and for what tasks add', async () => {
    const app = await createRunner();
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

  it('resolves when the last one is cancelled, or dropped by its request', async () => {
    const app = await createRunner();
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

  it('may be asked for by many, also while a listener hears of an end', async () => {
    const { clock, runner, probe } = await createRunner();
    const resolved: string[] = [];
    runner.addTask(probe.body('1', 10));
    void runner.whenIdle().then(() => resolved.push('first'));
    void runner.whenIdle().then(() => resolved.push('second'));
    runner.events.subscribe(({ type }) => {
      if (type === 'completed') {
        void runner.whenIdle().then(() => resolved.push('listener'));
      }
    });
    await clock.advance(10);
    expect(resolved.toSorted()).toEqual(['first', 'listener', 'second']);
  });
});

describe('what is remembered', () => {
  it('is a thousand of each status unless the module says otherwise', async () => {
    const { clock, runner } = await createRunner();
    const handles = Array.from({ length: 1_001 }, () => runner.addTask(() => undefined));
    handles.forEach(({ id }) => id);
    await clock.settle();
    expect(await runner.list({ limit: Infinity })).toHaveLength(1_000);
    expect(await runner.get(handles[0].id)).toBeUndefined();
    expect(await runner.get(handles[1].id)).toBeDefined();
  });

  it('goes on when a failed one among it is run again', async () => {
    const { clock, runner } = await createRunner({ remember: 3, keep: { count: 3 } });
    const handles = [1, 2, 3].map((index) => runner.addTask({ name: `${index}` }, fail));
    await clock.settle();
    await clock.advance(1);
    await runner.retry(handles[1].id);
    await clock.advance(1);
    runner.addTask({ name: '4' }, fail);
    await clock.settle();
    const names = (await runner.list({ status: 'failed' })).map(({ name }) => name);
    expect(names.length).toBeLessThanOrEqual(3);
    expect(names.slice(0, 2)).toEqual(['4', '2']);
  });
});

describe('an application without a server', () => {
  it('runs what its TaskRunner is given, by the clock of the machine', async () => {
    @Module({ imports: [BackgroundTasksModule.forRoot()] })
    class Script {}
    const app = await NestFactory.createApplicationContext(Script, { logger: false });
    const runner = app.get(TaskRunner);
    const ran: string[] = [];
    const chain = runner.chain();
    chain.addTask({ delay: 5 }, () => void ran.push('first'));
    chain.addTask(() => void ran.push('second'));
    await runner.whenIdle();
    expect(ran).toEqual(['first', 'second']);
    expect((await runner.stats()).queues['default']).toMatchObject({ added: 2, completed: 2 });
    await app.close();
    expect(() => runner.addTask(() => undefined)).toThrow('the application has shut down');
  });
});
