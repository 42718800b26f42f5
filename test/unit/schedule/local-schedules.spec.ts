import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { LocalSchedules } from '../../../lib/schedule/local-schedules.js';
import { timingOf } from '../../../lib/schedule/timing.js';
import { systemClock } from '../../../lib/task/clock.js';

const HOUR = 3_600_000;
const NOW = Date.UTC(2030, 0, 1);
const makeTask = () => undefined as never;

describe('a schedule of one process', () => {
  const ticks: string[] = [];
  let schedules: LocalSchedules;

  beforeEach(() => {
    ticks.length = 0;
    jest.useFakeTimers({ now: NOW });
    schedules = new LocalSchedules(systemClock, () => ticks.push(new Date().toISOString()));
    const options = { every: '1h' } as const;
    schedules.put({ name: 'a', queue: 'q', options, timing: timingOf(options, 'a'), makeTask });
    schedules.start();
    jest.advanceTimersByTime(HOUR);
  });

  afterEach(() => {
    schedules.stop();
    jest.useRealTimers();
  });

  it('goes on from the new time when the clock is set back by years', () => {
    jest.setSystemTime(Date.UTC(2026, 0, 1));
    jest.advanceTimersByTime(2 * HOUR);
    expect(ticks).toEqual([
      '2030-01-01T01:00:00.000Z',
      '2026-01-01T01:00:00.000Z',
      '2026-01-01T02:00:00.000Z',
    ]);
  });

  it('repeats no tick when the clock is set back by a minute', () => {
    jest.setSystemTime(NOW + HOUR - 60_000);
    jest.advanceTimersByTime(HOUR + 60_000);
    expect(ticks).toEqual(['2030-01-01T01:00:00.000Z', '2030-01-01T02:00:00.000Z']);
  });

  it('passes over the ticks between when the clock is set forward by years', () => {
    jest.setSystemTime(Date.UTC(2033, 0, 1));
    jest.advanceTimersByTime(HOUR);
    expect(ticks).toHaveLength(3);
    expect(ticks.at(-1)).toBe('2033-01-01T01:00:00.000Z');
  });
});
