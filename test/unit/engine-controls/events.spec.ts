/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { describe, expect, it } from '@jest/globals';
import { currentTask } from '../../../lib/index.js';
import type { TaskCounts } from '../../../lib/observe/task-stats.js';
import { type App, createApp } from '../support/app.js';

const RETRY = { attempts: 2, delay: 10, jitter: 'none' } as const;

describe('TaskRunner.events', () => {
  it('has the life of a task in order, each event with its data', async () => {
    const { clock, runner, record } = await createApp({}, { queues: { mails: {} } });
    const events = record();
    const at = clock.now();
    const [first, second] = [new Error('first'), new Error('second')];
    const errors = [first, second];
    const { id } = runner.addTask({ name: 'send', queue: 'mails', retry: RETRY }, async () => {
      await clock.sleep(5);
      currentTask().progress({ sent: 3 });
      throw errors.shift() as Error;
    });
    await clock.advance(100);
    const common = { id, name: 'send', queue: 'mails' };
    expect(events).toMatchObject([
      { ...common, type: 'added', at },
      { ...common, type: 'queued', at },
      { ...common, type: 'started', at, attempt: 1 },
      { ...common, type: 'progress', at: at + 5, attempt: 1, value: { sent: 3 } },
      { ...common, type: 'retrying', at: at + 5, attempt: 1, error: first, delayMs: 10 },
      { ...common, type: 'started', at: at + 15, attempt: 2 },
      { ...common, type: 'progress', at: at + 20, attempt: 2 },
      { ...common, type: 'failed', at: at + 20, attempt: 2, error: second, durationMs: 5 },
    ]);
  });
});

describe('an event', () => {
  it('comes after the fact: its listener finds the task in that status', async () => {
    const { clock, runner, handle, module } = await createApp(
      {},
      {
        drainTimeout: 1_000,
        queues: {
          default: { concurrency: 1 },
          limited: { maxPending: 1, overflow: 'drop-oldest' },
        },
      },
    );
    const lives: Record<string, Promise<string>[]> = {};
    runner.events.subscribe(({ type, id, name }) => {
      (lives[name] ??= []).push(runner.get(id).then((task) => `${type}: ${task?.status}`));
    });
    runner.addTask({ name: 'a', retry: RETRY }, () => Promise.reject(new Error('no')));
    await clock.advance(100);
    runner.addTask({ name: 'b', delay: 10 }, () => undefined);
    await clock.advance(10);
    const running = runner.addTask({ name: 'c' }, () => clock.sleep(100));
    await clock.settle();
    await running.cancel();
    await runner.pause('limited');
    runner.addTask({ name: 'd', queue: 'limited' }, () => undefined);
    runner.addTask({ name: 'e', queue: 'limited' }, () => undefined);
    await handle((tasks) => tasks.addTask({ name: 'f', when: 'failure' }, () => undefined));
    const closing = module.close();
    await clock.advance(20_000);
    await closing;
    const told: string[] = [];
    for (const [name, life] of Object.entries(lives)) {
      told.push(`${name} ${(await Promise.all(life)).join(', ')}`);
    }
    const START = 'added: collected, queued: queued, started: running';
    expect(told).toEqual([
      `a ${START}, retrying: retrying, started: running, failed: failed`,
      'b added: collected, queued: delayed, started: running, completed: completed',
      `c ${START}, cancelled: cancelled`,
      'd added: collected, queued: queued, dropped: dropped',
      'e added: collected, queued: queued, abandoned: abandoned',
      'f added: collected, dropped: dropped',
    ]);
  });
});

const figuresOf = async ({ runner }: App) => (await runner.stats()).queues['default'];

const NOTHING: TaskCounts = {
  added: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
  dropped: 0,
  abandoned: 0,
  retried: 0,
};

const fail = () => Promise.reject(new Error('no'));

describe('TaskRunner.stats()', () => {
  it('has every queue from the beginning, and task names as they come', async () => {
    const { runner, clock } = await createApp({}, { queues: { mails: {} } });
    const untouched = {
      ...NOTHING,
      running: 0,
      pending: 0,
      failureRate: 0,
      durations: undefined,
      oldestPendingAgeMs: undefined,
      isPaused: false,
    };
    expect(await runner.stats()).toEqual({
      queues: { default: untouched, mails: untouched },
      tasks: {},
    });
    runner.addTask({ name: 'a' }, () => undefined);
    runner.addTask({ name: 'b', queue: 'mails' }, fail);
    await clock.settle();
    const { queues, tasks } = await runner.stats();
    expect(queues['default']).toMatchObject({ ...NOTHING, added: 1, completed: 1 });
    expect(queues['mails']).toMatchObject({ ...NOTHING, added: 1, failed: 1 });
    expect(tasks['a']).toMatchObject({ ...NOTHING, added: 1, completed: 1 });
    expect(tasks['b']).toMatchObject({ ...NOTHING, added: 1, failed: 1 });
  });
});

describe('durations', () => {
  it('count failures, but no retries and no attempts without an end', async () => {
    const app = await createApp();
    const { runner, clock } = app;
    const cancelled = runner.addTask(() => clock.sleep(1_000));
    await clock.advance(500);
    await cancelled.cancel();
    await runner.addTask({ delay: 10 }, () => undefined).cancel();
    expect((await figuresOf(app)).durations).toBeUndefined();
    let takesMs = 400;
    const retry = { attempts: 2, delay: 10, jitter: 'none' } as const;
    runner.addTask({ retry }, async () => {
      await clock.sleep(takesMs);
      takesMs = 20;
      throw new Error('no');
    });
    await clock.advance(10_000);
    const { durations } = await figuresOf(app);
    expect(durations?.max).toBeLessThan(21);
    expect(durations?.p50).toBeGreaterThan(19);
  });
});

describe('the age of the oldest pending task', () => {
  it('is that of the task that has waited longest for a slot, in any lane', async () => {
    const app = await createApp(
      {},
      {
        queues: { default: { concurrency: 1 } },
      },
    );
    const { runner, clock, probe } = app;
    runner.addTask(probe.body('running', 100));
    await clock.settle();
    expect((await figuresOf(app)).oldestPendingAgeMs).toBeUndefined();
    runner.addTask({ priority: 'low' }, probe.body('low'));
    await clock.advance(10);
    runner.addTask({ priority: 'high' }, probe.body('high'));
    await clock.advance(30);
    expect((await figuresOf(app)).oldestPendingAgeMs).toBe(40);
    await clock.advance(100);
    expect((await figuresOf(app)).oldestPendingAgeMs).toBeUndefined();
  });
});

describe('tasks that wait for their key, and others for a slot', () => {
  it('are all listed, and count as pending by their age', async () => {
    const app = await createApp(
      {},
      {
        queues: { default: { concurrency: 2 } },
      },
    );
    const { runner, clock, probe } = app;
    runner.addTask({ concurrencyKey: 'k' }, probe.body('k1', 100));
    runner.addTask({ concurrencyKey: 'k', name: 'k2' }, probe.body('k2', 100));
    runner.addTask(probe.body('other', 100));
    await clock.advance(10);
    runner.addTask({ name: 'late' }, probe.body('late'));
    await clock.advance(30);
    const waiting = await runner.list({ status: 'queued' });
    expect(waiting.map(({ name }) => name).toSorted()).toEqual(['k2', 'late']);
    expect((await figuresOf(app)).oldestPendingAgeMs).toBe(40);
  });
});

describe('task names that users make of their data', () => {
  it('are counted apart up to 200 names, and together beyond', async () => {
    const { runner, clock } = await createApp();
    for (let index = 0; index < 300; index += 1) {
      runner.addTask({ name: `task ${index}` }, index % 2 === 0 ? () => undefined : fail);
      runner.addTask({ name: 'task 0' }, () => undefined);
    }
    await clock.settle();
    const { tasks, queues } = await runner.stats();
    expect(Object.keys(tasks)).toHaveLength(201);
    expect(tasks['task 0']).toMatchObject({ added: 301, completed: 301 });
    expect(tasks['(other)']).toMatchObject({ added: 100, completed: 50, failed: 50, pending: 0 });
    expect(queues['default']).toMatchObject({ added: 600, completed: 450, failed: 150 });
  });
});
