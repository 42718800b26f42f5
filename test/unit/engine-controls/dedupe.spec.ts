/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { describe, expect, it } from '@jest/globals';
import { type BackgroundTasksOptions, type TaskOptions } from '../../../lib/index.js';
import { createApp } from '../support/app.js';
import { Probe } from '../support/probe.js';
import { resolutionOf } from '../support/resolution.js';

async function createDeduping(options: BackgroundTasksOptions = {}) {
  const app = await createApp({}, { queues: { other: {} }, ...options });
  return { ...app, probe: new Probe(app.clock) };
}

/** A task named `sync`, one of its key. */
const SYNC: TaskOptions = { name: 'sync', dedupe: { key: 'k' } };
const SYNC_A_SECOND: TaskOptions = { name: 'sync', dedupe: { key: 'k', window: '1s' } };

describe('dedupe', () => {
  it('runs anew what a listener adds when it hears that the first has settled', async () => {
    const { clock, runner, probe } = await createDeduping();
    const first = runner.addTask(SYNC, probe.body('one'));
    runner.events.subscribe(({ type, id }) => {
      if (type === 'completed' && id === first.id) {
        runner.addTask(SYNC, probe.body('two'));
      }
    });
    await clock.settle();
    expect(probe.begun).toEqual(['one', 'two']);
  });

  it.each<[string, TaskOptions, TaskOptions]>([
    ['key', SYNC, { ...SYNC, dedupe: { key: 'other' } }],
    ['name', SYNC, { ...SYNC, name: 'other' }],
    ['queue', SYNC, { ...SYNC, queue: 'other' }],
    [
      'name and key that look the same side by side',
      { name: 'send', dedupe: { key: 'mail 1' } },
      { name: 'send mail', dedupe: { key: '1' } },
    ],
  ])('tells tasks apart by %s', async (_, one, other) => {
    const { clock, runner, probe } = await createDeduping();
    runner.addTask(one, probe.body('one'));
    runner.addTask(other, probe.body('two'));
    await clock.settle();
    expect(probe.begun).toEqual(['one', 'two']);
  });
});

describe('dedupe with a window', () => {
  it('stands for later calls until the window has passed, counted from the adding', async () => {
    const { clock, runner, probe } = await createDeduping();
    const first = runner.addTask(SYNC_A_SECOND, probe.body('one', 500));
    await clock.advance(999);
    expect(first.status).toBe('completed');
    const second = runner.addTask(SYNC_A_SECOND, probe.body('two'));
    expect([second.id, second.status]).toEqual([first.id, 'completed']);
    await clock.advance(1);
    const third = runner.addTask(SYNC_A_SECOND, probe.body('three'));
    expect(third.id).not.toBe(first.id);
    await clock.settle();
    expect(probe.begun).toEqual(['one', 'three']);
  });
});

describe('dedupe in requests', () => {
  it('drops the later one of two that were collected at the same time', async () => {
    const { clock, handle, probe, record, logger } = await createDeduping();
    const events = record();
    const request = (name: string, takesMs: number) =>
      handle(async (tasks) => {
        const added = tasks.addTask(SYNC, probe.body(name, 50));
        await clock.sleep(takesMs);
        return added;
      });
    const requests = Promise.all([request('late', 20), request('early', 10)]);
    await clock.advance(1_000);
    const [late, early] = await requests;
    expect(probe.begun).toEqual(['early']);
    expect(early.status).toBe('completed');
    expect(await late.whenSettled()).toEqual({ status: 'dropped', reason: 'duplicate' });
    expect(events.filter(({ id }) => id === late.id).map(({ type }) => type)).toEqual([
      'added',
      'dropped',
    ]);
    expect(logger.of('warn')).toContainEqual(
      expect.stringMatching(/was dropped: another task with its dedupe key came first$/),
    );
  });

  it.each<[string, BackgroundTasksOptions]>([
    ['a chain', {}],
    ["a request under onFailure: 'stop'", { request: { onFailure: 'stop' } }],
    ["a chain under order: 'concurrent'", { request: { order: 'concurrent' } }],
  ])('lets those go on that need a dropped duplicate: %s', async (_, options) => {
    const { clock, handle, runner, probe } = await createDeduping(options);
    const request = handle(async (tasks) => {
      const line = options.request?.onFailure === 'stop' ? tasks : tasks.chain();
      const handles = [
        line.addTask(probe.body('before')),
        line.addTask(SYNC, probe.body('duplicate')),
        line.addTask(probe.body('after')),
        line.addTask(probe.body('last')),
      ];
      await clock.sleep(10);
      return handles;
    });
    await clock.advance(5);
    runner.addTask(SYNC, probe.body('first', 100));
    await clock.advance(1_000);
    expect((await request).map(({ status }) => status)).toEqual([
      'completed',
      'dropped',
      'completed',
      'completed',
    ]);
    expect(probe.begun).toEqual(['first', 'before', 'after', 'last']);
  });

  it('lets whoever waits for all to be idle go on when a duplicate was the last', async () => {
    const { clock, handle, runner, probe } = await createDeduping();
    const request = handle(async (tasks) => {
      tasks.addTask(SYNC_A_SECOND, probe.body('duplicate'));
      await clock.sleep(10);
    });
    await clock.settle();
    runner.addTask(SYNC_A_SECOND, probe.body('first'));
    const idleness = resolutionOf(runner.whenIdle());
    await clock.advance(9);
    expect(idleness.isThere).toBe(false);
    await clock.advance(1);
    await request;
    await clock.settle();
    expect([idleness.isThere, probe.begun]).toEqual([true, ['first']]);
  });
});

describe('a key', () => {
  it('is held by a task of a chain from the moment it is added', async () => {
    const { clock, runner, probe } = await createDeduping();
    const chain = runner.chain();
    chain.addTask(probe.body('before', 10));
    const second = chain.addTask(SYNC, probe.body('one'));
    expect(runner.addTask(SYNC, probe.body('two')).id).toBe(second.id);
    await clock.advance(100);
    expect(probe.begun).toEqual(['before', 'one']);
  });
});
