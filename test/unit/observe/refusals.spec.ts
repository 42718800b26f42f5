import { describe, expect, it } from '@jest/globals';
import { QueueFullError } from '../../../lib/index.js';
import { Refusals } from '../../../lib/observe/refusals.js';
import { FakeClock } from '../support/fake-clock.js';

function start() {
  const clock = new FakeClock();
  const told: [queue: string, count: number][] = [];
  const refusals = new Refusals(clock, (error, count) =>
    told.push([(error as QueueFullError).queue, count]),
  );
  const refuse = (queue: string) => refusals.add(new QueueFullError(queue, 1));
  return { clock, told, refusals, refuse };
}

describe('O2: what requests are refused', () => {
  it('is told at once, and then with its count each ten seconds', async () => {
    const { clock, told, refuse } = start();
    Array.from({ length: 1_000 }, () => refuse('mails'));
    refuse('images');
    expect(told).toEqual([
      ['mails', 1],
      ['images', 1],
    ]);
    await clock.advance(10_000);
    refuse('mails');
    await clock.advance(30_000);
    expect(told.slice(2)).toEqual([
      ['mails', 999],
      ['mails', 1],
    ]);
    expect(clock.pendingTimers).toBe(0);
    refuse('mails');
    expect(told).toHaveLength(5);
  });

  it('is counted once, however often it is thrown on', () => {
    const { told, refusals } = start();
    const error = new QueueFullError('mails', 1);
    refusals.add(error);
    refusals.add(error);
    refusals.end();
    expect(told).toEqual([['mails', 1]]);
  });

  it('is told to the last one at the end', () => {
    const { clock, told, refusals, refuse } = start();
    Array.from({ length: 3 }, () => refuse('mails'));
    refusals.end();
    expect(told).toEqual([
      ['mails', 1],
      ['mails', 2],
    ]);
    expect(clock.pendingTimers).toBe(0);
  });
});
