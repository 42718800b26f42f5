/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Background, type BackgroundTasksOptions, currentTask } from '../../../lib/index.js';
import type { TaskCounts } from '../../../lib/observe/task-stats.js';
import { createApp } from '../support/app.js';
import { Probe } from '../support/probe.js';

async function createTelling(options: BackgroundTasksOptions = {}) {
  const app = await createApp({}, options);
  return { ...app, probe: new Probe(app.clock), events: app.record() };
}

const RETRY = { attempts: 2, delay: 10, jitter: 'none' } as const;

describe('TaskRunner.events', () => {
  it('tells a life in order, with what belongs to each event', async () => {
    const { clock, runner, events } = await createTelling({ queues: { mails: {} } });
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

  it('tells of a request’s tasks as added at once, and as queued when they are released', async () => {
    const { clock, events, handle } = await createTelling();
    await handle((tasks) => {
      tasks.addTask({ name: '1' }, () => undefined);
      tasks.addTask({ name: '2' }, () => undefined);
      expect(events.map(({ type, name }) => `${name} ${type}`)).toEqual(['1 added', '2 added']);
    });
    await clock.settle();
    expect(events.map(({ type, name }) => `${name} ${type}`)).toEqual([
      '1 added',
      '2 added',
      '1 queued',
      '2 queued',
      '1 started',
      '1 completed',
      '2 started',
      '2 completed',
    ]);
  });

  it('says nothing of a task as queued that was dropped in the same moment', async () => {
    const { clock, runner, events, module } = await createTelling({ drainTimeout: 0 });
    const chain = runner.chain();
    chain.addTask({ name: 'failed' }, () => Promise.reject(new Error('no')));
    await clock.settle();
    chain.addTask({ name: 'late' }, () => undefined);
    expect(events.filter(({ name }) => name === 'late').map(({ type }) => type)).toEqual([
      'added',
      'dropped',
    ]);
    const closing = module.close();
    await clock.advance(10_000);
    await closing;
  });

  it('completes when the application has shut down, after the last end', async () => {
    const { clock, runner, module } = await createTelling();
    const heard: string[] = [];
    runner.events.subscribe({
      next: ({ type }) => heard.push(type),
      complete: () => heard.push('complete'),
    });
    runner.addTask(() => clock.sleep(100));
    const closing = module.close();
    await clock.advance(20_000);
    await closing;
    expect(heard).toEqual(['added', 'queued', 'started', 'completed', 'complete']);
  });
});

describe('an event comes after the fact:', () => {
  it('whoever hears of it finds the task as it says', async () => {
    const { clock, runner, handle, module } = await createTelling({
      drainTimeout: 1_000,
      queues: { default: { concurrency: 1 }, limited: { maxPending: 1, overflow: 'drop-oldest' } },
    });
    const statuses: Promise<string>[] = [];
    runner.events.subscribe(({ type, id, name }) => {
      statuses.push(runner.get(id).then((task) => `${name} ${type}: ${task?.status}`));
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
    expect(await Promise.all(statuses)).toEqual([
      'a added: collected',
      'a queued: queued',
      'a started: running',
      'a retrying: retrying',
      'a started: running',
      'a failed: failed',
      'b added: collected',
      'b queued: delayed',
      'b started: running',
      'b completed: completed',
      'c added: collected',
      'c queued: queued',
      'c started: running',
      'c cancelled: cancelled',
      'd added: collected',
      'd queued: queued',
      'd dropped: dropped',
      'e added: collected',
      'e queued: queued',
      'f added: collected',
      'f dropped: dropped',
      'e abandoned: abandoned',
    ]);
  });
});

describe('P11: a listener that throws', () => {
  it('may do anything else: add, cancel, pause', async () => {
    const { clock, runner, probe } = await createTelling({
      queues: { default: { concurrency: 1 } },
    });
    const queued = runner.addTask({ name: 'first' }, probe.body('first'));
    const second = runner.addTask({ name: 'second' }, probe.body('second'));
    runner.events.subscribe(({ type, id }) => {
      if (type === 'completed' && id === queued.id) {
        void second.cancel();
        runner.addTask(probe.body('added'));
        void runner.pause();
      }
    });
    await clock.settle();
    expect([probe.begun, second.status]).toEqual([['first'], 'cancelled']);
    await runner.resume();
    await clock.settle();
    expect(probe.begun).toEqual(['first', 'added']);
  });
});

describe('currentTask().progress()', () => {
  it('is announced, and shows in the task until it has settled', async () => {
    const { clock, runner, events } = await createTelling();
    const { id } = runner.addTask(async () => {
      currentTask().progress(10);
      await clock.sleep(10);
      currentTask().progress({ done: 2, of: 3 });
      await clock.sleep(10);
    });
    const progress = async () => (await runner.get(id))?.progress;
    expect(await progress()).toBeUndefined();
    await clock.advance(5);
    expect(await progress()).toBe(10);
    await clock.advance(10);
    expect(await progress()).toEqual({ done: 2, of: 3 });
    await clock.advance(10);
    const values = events.flatMap((event) => (event.type === 'progress' ? [event.value] : []));
    expect(values).toEqual([10, { done: 2, of: 3 }]);
  });

  it('of a batch is told of its first call', async () => {
    @Injectable()
    class Mailer {
      @Background({ batch: { size: 2, wait: 10 } })
      async send(ids: number[]): Promise<void> {
        currentTask().progress(ids.length);
      }
    }
    const app = await createApp({ providers: [Mailer] });
    const events = app.record();
    const { send } = app.module.get(Mailer);
    const [first] = [1, 2].map((id) => app.runner.addTask(send, [id]));
    await app.clock.settle();
    expect(events.filter(({ type }) => type === 'progress')).toMatchObject([
      { id: first.id, value: 2 },
    ]);
  });
});

async function createCounting(options: BackgroundTasksOptions = {}) {
  const app = await createApp({}, options);
  return {
    ...app,
    probe: new Probe(app.clock),
    figures: async (queue = 'default') => (await app.runner.stats()).queues[queue],
    figuresOf: async (name: string) => (await app.runner.stats()).tasks[name],
  };
}

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
    const { runner, clock } = await createCounting({ queues: { mails: {} } });
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

  it('counts each end once, and each retry', async () => {
    const { runner, clock, handle, figures } = await createCounting({
      queues: { default: { concurrency: 2 } },
      retry: { attempts: 3, delay: 10, jitter: 'none' },
    });
    runner.addTask(() => undefined);
    runner.addTask(fail);
    await runner.addTask(() => undefined).cancel();
    await clock.advance(100);
    const running = runner.addTask(() => clock.sleep(1_000));
    await clock.settle();
    await running.cancel();
    const request = handle((tasks) => {
      tasks.addTask(() => undefined);
      tasks.addTask({ when: 'always' }, () => undefined);
      throw new Error('the handler fails');
    });
    await expect(request).rejects.toThrow('the handler fails');
    await clock.settle();
    expect(await figures()).toMatchObject({
      added: 6,
      completed: 2,
      failed: 1,
      cancelled: 2,
      dropped: 1,
      abandoned: 0,
      retried: 2,
      running: 0,
      pending: 0,
    });
  });

  it('knows what runs and what is pending: collected, queued, delayed, between attempts', async () => {
    const { runner, clock, handle, figures } = await createCounting({
      queues: { default: { concurrency: 1 } },
    });
    const retry = { attempts: 2, delay: 1_000, jitter: 'none' } as const;
    runner.addTask({ retry }, fail);
    await clock.settle();
    expect(await figures()).toMatchObject({ running: 0, pending: 1, retried: 1 });
    runner.addTask(() => clock.sleep(100));
    runner.addTask(() => undefined);
    runner.addTask({ delay: 10_000 }, () => undefined);
    await clock.settle();
    expect(await figures()).toMatchObject({ running: 1, pending: 3 });
    await handle(async (tasks) => {
      tasks.addTask(() => undefined);
      expect(await figures()).toMatchObject({ added: 5, running: 1, pending: 4 });
    });
    await clock.advance(10_000);
    expect(await figures()).toMatchObject({ added: 5, running: 0, pending: 0 });
  });
});

describe('durations', () => {
  it('are those of the last attempts, within a percent', async () => {
    const { runner, clock, figures } = await createCounting({
      queues: { default: { concurrency: 1 } },
    });
    for (let takesMs = 1; takesMs <= 100; takesMs += 1) {
      runner.addTask(() => clock.sleep(takesMs));
    }
    await clock.advance(10_000);
    const { durations } = await figures();
    const exact = { mean: 50.5, p50: 50, p95: 95, p99: 99, max: 100 };
    for (const [key, value] of Object.entries(exact)) {
      const measured = durations?.[key as keyof typeof exact] ?? Number.NaN;
      expect(Math.abs(measured - value) / value).toBeLessThanOrEqual(0.01);
    }
  });

  it('count failures, and neither retries nor what was never run to its end', async () => {
    const { runner, clock, figures } = await createCounting();
    const cancelled = runner.addTask(() => clock.sleep(1_000));
    await clock.advance(500);
    await cancelled.cancel();
    await runner.addTask({ delay: 10 }, () => undefined).cancel();
    expect((await figures()).durations).toBeUndefined();
    let takesMs = 400;
    const retry = { attempts: 2, delay: 10, jitter: 'none' } as const;
    runner.addTask({ retry }, async () => {
      await clock.sleep(takesMs);
      takesMs = 20;
      throw new Error('no');
    });
    await clock.advance(10_000);
    const { durations } = await figures();
    expect(durations?.max).toBeLessThan(21);
    expect(durations?.p50).toBeGreaterThan(19);
  });
});

describe('the failure rate', () => {
  it('is the share of those failed for good among those that ran to an end', async () => {
    const { runner, clock, figures } = await createCounting();
    expect((await figures()).failureRate).toBe(0);
    for (let index = 0; index < 3; index += 1) {
      runner.addTask(() => undefined);
    }
    runner.addTask(fail);
    await runner.addTask({ delay: 10 }, () => undefined).cancel();
    await clock.settle();
    expect((await figures()).failureRate).toBe(0.25);
  });
});

describe('the age of the oldest pending task', () => {
  it('is that of the longest waiting for a slot, in any lane', async () => {
    const { runner, clock, probe, figures } = await createCounting({
      queues: { default: { concurrency: 1 } },
    });
    runner.addTask(probe.body('running', 100));
    await clock.settle();
    expect((await figures()).oldestPendingAgeMs).toBeUndefined();
    runner.addTask({ priority: 'low' }, probe.body('low'));
    await clock.advance(10);
    runner.addTask({ priority: 'high' }, probe.body('high'));
    await clock.advance(30);
    expect((await figures()).oldestPendingAgeMs).toBe(40);
    await clock.advance(100);
    expect((await figures()).oldestPendingAgeMs).toBeUndefined();
  });

  it('is that of one which waits for its key, too', async () => {
    const { runner, clock, probe, figures } = await createCounting();
    runner.addTask({ concurrencyKey: 'k' }, probe.body('1', 100));
    runner.addTask({ concurrencyKey: 'k' }, probe.body('2', 100));
    await clock.advance(40);
    expect((await figures()).oldestPendingAgeMs).toBe(40);
  });
});

describe('tasks that wait for their key, and others for a slot', () => {
  it('are all listed, and the longest waiting of them has waited for longest', async () => {
    const { runner, clock, probe, figures } = await createCounting({
      queues: { default: { concurrency: 2 } },
    });
    runner.addTask({ concurrencyKey: 'k' }, probe.body('k1', 100));
    runner.addTask({ concurrencyKey: 'k', name: 'k2' }, probe.body('k2', 100));
    runner.addTask(probe.body('other', 100));
    await clock.advance(10);
    runner.addTask({ name: 'late' }, probe.body('late'));
    await clock.advance(30);
    const waiting = await runner.list({ status: 'queued' });
    expect(waiting.map(({ name }) => name).toSorted()).toEqual(['k2', 'late']);
    expect((await figures()).oldestPendingAgeMs).toBe(40);
  });
});

describe('task names that users make of their data', () => {
  it('are counted by themselves up to 200, and together past them: exactly, in all', async () => {
    const { runner, clock } = await createCounting();
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
