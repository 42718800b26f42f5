/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { describe, expect, it } from '@jest/globals';
import { type TaskOptions } from '../../../lib/index.js';
import { createApp } from '../support/app.js';

const createDeduping = () => createApp({}, { queues: { other: {} } });

/** A task named `sync`, one of its key. */
const SYNC: TaskOptions = { name: 'sync', dedupe: { key: 'k' } };
const SYNC_A_SECOND: TaskOptions = { name: 'sync', dedupe: { key: 'k', window: '1s' } };

describe('dedupe', () => {
  it('runs a task that a listener of the first one’s end adds', async () => {
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
  it('returns the first task until the window has passed, counted from its adding', async () => {
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
  it('drops the second of two tasks collected at the same time, and the first keeps its key', async () => {
    const { clock, handle, probe, record, logger, runner } = await createDeduping();
    const events = record();
    const request = (name: string, takesMs: number) =>
      handle(async (tasks) => {
        const added = tasks.addTask(SYNC, probe.body(name, 50));
        await clock.sleep(takesMs);
        return added;
      });
    const requests = Promise.all([request('late', 20), request('early', 10)]);
    await clock.advance(30);
    const [late, early] = await requests;
    expect(runner.addTask(SYNC, probe.body('later')).id).toBe(early.id);
    await clock.advance(1_000);
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
});

describe('a dedupe key', () => {
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
