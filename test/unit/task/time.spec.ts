import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { fc } from '../../support/properties.js';
import { systemClock } from '../../../lib/task/clock.js';
import { toMilliseconds } from '../../../lib/task/duration.js';
import { LogLines, byTime } from '../../../lib/task/log-lines.js';

/** The longest that a timer of Node.js can wait. */
const LONGEST_MS = 2 ** 31 - 1;

describe('the clock of the machine', () => {
  it('tells the time since the epoch, and never goes back', () => {
    // The two may be set apart while a process runs.
    const [before, first, after] = [Date.now() - 60_000, systemClock.now(), Date.now() + 60_000];
    expect([before, first, after].toSorted((one, other) => one - other)).toEqual([
      before,
      first,
      after,
    ]);
    expect(systemClock.now()).toBeGreaterThanOrEqual(first);
  });

  describe('calls after a time', () => {
    beforeEach(() => {
      jest.useFakeTimers();
    });
    afterEach(() => {
      jest.useRealTimers();
    });

    it('that is longer than a timer of Node.js can wait', () => {
      const callback = jest.fn();
      systemClock.after(2 * LONGEST_MS + 5000, callback);
      jest.advanceTimersByTime(2 * LONGEST_MS + 4999);
      expect(callback).not.toHaveBeenCalled();
      jest.advanceTimersByTime(1);
      expect(callback).toHaveBeenCalledTimes(1);
      expect(jest.getTimerCount()).toBe(0);
    });

    it('not at all where it is called off in a later leg', () => {
      const callback = jest.fn();
      const callOff = systemClock.after(2 * LONGEST_MS, callback);
      jest.advanceTimersByTime(LONGEST_MS + 1000);
      callOff();
      jest.advanceTimersByTime(2 * LONGEST_MS);
      expect(callback).not.toHaveBeenCalled();
      expect(jest.getTimerCount()).toBe(0);
    });
  });
});

const NO_NUMBERS = [-1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
const NO_TEXTS = [
  ...' |5|s|-5s|+5s|.5s|5.s|5 s| 5s|5s |5S|5w|5y|5sec|1e3ms|0x10ms|5s5s'.split('|'),
  `${'9'.repeat(200)}s`,
  '',
];
const NO_TYPES = [null, undefined, true, 5n, Symbol('5s'), {}, [5], new Date(5), () => 5];

describe('a duration', () => {
  it.each<[unknown, number]>([
    [0, 0],
    [1500, 1500],
    [0.25, 0.25],
    ['0ms', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['1.5s', 1500],
  ])('%p is %d ms', (duration, milliseconds) => {
    expect(toMilliseconds(duration)).toBe(milliseconds);
  });

  it.each([...NO_NUMBERS, ...NO_TEXTS, ...NO_TYPES])('%p is none', (value) => {
    expect(toMilliseconds(value)).toBeUndefined();
  });

  it('with a unit is that number of it', () => {
    const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
    const anyUnit = fc.constantFrom<(keyof typeof units)[]>('ms', 's', 'm', 'h', 'd');
    fc.assert(
      fc.property(fc.nat(), anyUnit, (count, unit) => {
        expect(toMilliseconds(`${count}${unit}`)).toBe(count * units[unit]);
      }),
    );
  });
});

it('log lines that arrive in any order are sorted by their times, and those of one time stay as they are', () => {
  const lines = new LogLines();
  const [second, third, alsoSecond, first] = [
    lines.add('z', 2_000),
    lines.add('a', 3_000),
    lines.add('a', 2_000),
    lines.add('b', 1_000),
  ];
  expect(lines.all.toSorted(byTime)).toStrictEqual([first, second, alsoSecond, third]);
});
