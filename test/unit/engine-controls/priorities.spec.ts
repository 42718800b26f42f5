import { describe, expect, it } from '@jest/globals';
import type { Priority } from '../../../lib/index.js';
import { createApp } from '../support/app.js';
import { Probe } from '../support/probe.js';

/** One at a time, so that the order of the starts is all there is to see. */
const ONE_AT_A_TIME = { queues: { default: { concurrency: 1 } } };

/** Adds tasks of these priorities while the queue is paused, lets them run, and tells their order. */
async function orderOf(priorities: readonly Priority[]): Promise<string[]> {
  const { clock, runner } = await createApp({}, ONE_AT_A_TIME);
  const probe = new Probe(clock);
  await runner.pause();
  priorities.forEach((priority, index) => {
    runner.addTask({ priority }, probe.body(`${priority} ${index}`));
  });
  await runner.resume();
  await clock.settle();
  return probe.begun;
}

describe('P9: tasks of a queue', () => {
  it('start by priority, first in first out within one', async () => {
    expect(await orderOf(['low', 'normal', 'high', 'normal', 'low', 'high'])).toEqual([
      'high 2',
      'high 5',
      'normal 1',
      'normal 3',
      'low 0',
      'low 4',
    ]);
  });

  it('are of normal priority unless they say otherwise', async () => {
    const { clock, runner } = await createApp({}, ONE_AT_A_TIME);
    const probe = new Probe(clock);
    await runner.pause();
    runner.addTask({ priority: 'low' }, probe.body('low'));
    runner.addTask(probe.body('plain'));
    runner.addTask({ priority: 'normal' }, probe.body('normal'));
    runner.addTask({ priority: 'high' }, probe.body('high'));
    await runner.resume();
    await clock.settle();
    expect(probe.begun).toEqual(['high', 'plain', 'normal', 'low']);
  });

  it('overtake those that were added before and still wait, not those that run', async () => {
    const { clock, runner } = await createApp({}, ONE_AT_A_TIME);
    const probe = new Probe(clock);
    runner.addTask({ priority: 'low' }, probe.body('running', 10));
    await clock.settle();
    runner.addTask(probe.body('waiting'));
    await clock.advance(5);
    runner.addTask({ priority: 'high' }, probe.body('late'));
    await clock.advance(5);
    expect(probe.log).toEqual([
      'running begins',
      'running ends',
      'late begins',
      'late ends',
      'waiting begins',
      'waiting ends',
    ]);
  });

  it('keep the priority in later attempts', async () => {
    const { clock, runner } = await createApp({}, ONE_AT_A_TIME);
    const probe = new Probe(clock);
    const again = probe.body('again', 1, new Error('no'));
    const retry = { attempts: 2, delay: 5, jitter: 'none' } as const;
    runner.addTask({ priority: 'high', retry }, again);
    runner.addTask(probe.body('long', 10));
    runner.addTask(probe.body('last'));
    await clock.advance(100);
    expect(probe.begun).toEqual(['again', 'long', 'again', 'last']);
  });
});

const many = (priority: Priority, count: number) => Array.from({ length: count }, () => priority);

describe('a lower lane that starves', () => {
  it('gets one start in eleven', async () => {
    const order = await orderOf([...many('low', 3), ...many('high', 40)]);
    const starts = order.flatMap((name, index) => (name.startsWith('low') ? [index] : []));
    expect(starts).toEqual([10, 21, 32]);
    expect(order.filter((name) => name.startsWith('low'))).toEqual(['low 0', 'low 1', 'low 2']);
  });

  it('gets its turn under two busy lanes, too', async () => {
    const order = await orderOf([...many('low', 3), ...many('normal', 40), ...many('high', 40)]);
    for (const priority of ['normal', 'low']) {
      const starts = order.flatMap((name, index) => (name.startsWith(priority) ? [index] : []));
      const gaps = starts.slice(0, 3).map((start, index) => start - (starts[index - 1] ?? -1));
      expect(Math.max(...gaps)).toBeLessThanOrEqual(12);
    }
  });

  it('has no claim left over from when it was empty', async () => {
    const { clock, runner } = await createApp({}, ONE_AT_A_TIME);
    const probe = new Probe(clock);
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
