/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Background, currentTask, type BackgroundTasksOptions } from '../../../lib/index.js';
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
