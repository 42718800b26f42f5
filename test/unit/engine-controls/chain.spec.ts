import { describe, expect, it } from '@jest/globals';
import type { QueueOptions, TaskHandle } from '../../../lib/index.js';
import { createApp } from '../support/app.js';

describe('a chain of the TaskRunner', () => {
  it('waits for the delay of a task once its turn has come', async () => {
    const { clock, runner, probe } = await createApp();
    const chain = runner.chain();
    chain.addTask(probe.body('1', 10));
    chain.addTask({ delay: 100 }, probe.body('2'));
    chain.addTask(probe.body('3'));
    await clock.advance(1_000);
    expect(probe.begunAt).toEqual([0, 110, 110]);
  });
});

describe('a chain of 10,000 tasks', () => {
  const LONG = 10_000;
  const unlimited = { queues: { default: { maxPending: Infinity } }, remember: LONG };

  it.each<[string, (handles: readonly TaskHandle[]) => unknown]>([
    ['a failure at its head', () => undefined],
    ['a cancellation at its head', (handles) => handles[0].cancel()],
  ])('is dropped whole by %s', async (_, end) => {
    const { clock, runner } = await createApp({}, unlimited);
    await runner.pause();
    const chain = runner.chain();
    const handles = [chain.addTask(() => Promise.reject(new Error('no')))];
    for (let index = 1; index < LONG; index += 1) {
      handles.push(chain.addTask(() => undefined));
    }
    await end(handles);
    await runner.resume();
    await clock.settle();
    expect(handles.filter(({ status }) => status === 'dropped')).toHaveLength(LONG - 1);
  });
});

const createLimited = (queue: QueueOptions) => createApp({}, { queues: { default: queue } });

describe('rateLimit', () => {
  it('is not used by a task that waits for its key', async () => {
    const { clock, runner, probe } = await createLimited({ rateLimit: { max: 2, per: 1_000 } });
    runner.addTask({ concurrencyKey: 'k' }, probe.body('k1', 50));
    runner.addTask({ concurrencyKey: 'k' }, probe.body('k2'));
    runner.addTask(probe.body('free'));
    await clock.settle();
    expect(probe.begun).toEqual(['k1', 'free']);
  });
});

describe('concurrencyKey', () => {
  it('keeps one tenant from taking all slots', async () => {
    const { clock, runner, probe } = await createLimited({ concurrency: 3 });
    const tenant = (name: string, index: number) => {
      runner.addTask({ concurrencyKey: name }, probe.body(`${name}${index}`, 10));
    };
    [1, 2, 3, 4].forEach((index) => tenant('a', index));
    [1, 2].forEach((index) => tenant('b', index));
    runner.addTask(probe.body('free', 10));
    await clock.settle();
    expect(probe.begun).toEqual(['a1', 'b1', 'free']);
    await clock.advance(1_000);
    expect(probe.begun).toEqual(['a1', 'b1', 'free', 'a2', 'b2', 'a3', 'a4']);
  });
});

describe('priority', () => {
  it('low has no claim left over from a time when no low task waited', async () => {
    const { clock, runner, probe } = await createLimited({ concurrency: 1 });
    for (let index = 0; index < 50; index += 1) {
      runner.addTask({ priority: 'high' }, probe.body('high', 1));
    }
    await clock.advance(30);
    runner.addTask({ priority: 'low' }, probe.body('low', 1));
    await clock.advance(100);
    // The thirty-first runs as the low one is added; ten more go before it.
    expect(probe.begun.indexOf('low')).toBe(41);
  });
});

describe('a delayed task', () => {
  it('of a request counts its delay from the release', async () => {
    const { clock, handle, probe } = await createLimited({ concurrency: 1 });
    const request = handle(async (tasks) => {
      const added = tasks.addTask({ delay: 100 }, probe.body('delayed'));
      await clock.sleep(80);
      expect(added.status).toBe('collected');
    });
    await clock.advance(80);
    await request;
    await clock.advance(99);
    expect(probe.begun).toEqual([]);
    await clock.advance(1);
    expect(probe.begunAt).toEqual([180]);
  });
});
