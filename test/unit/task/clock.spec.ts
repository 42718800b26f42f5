import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { systemClock } from '../../../lib/task/clock.js';

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

  it('calls in the next turn of the loop, not in this one', async () => {
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      systemClock.soon(() => {
        order.push('soon');
        resolve();
      });
      queueMicrotask(() => order.push('microtask'));
      order.push('now');
    });
    expect(order).toEqual(['now', 'microtask', 'soon']);
  });

  describe('calls after a time', () => {
    beforeEach(() => {
      jest.useFakeTimers();
    });
    afterEach(() => {
      jest.useRealTimers();
    });

    it('once, and not before', () => {
      const callback = jest.fn();
      systemClock.after(1000, callback);
      jest.advanceTimersByTime(999);
      expect(callback).not.toHaveBeenCalled();
      jest.advanceTimersByTime(1_000_000);
      expect(callback).toHaveBeenCalledTimes(1);
    });

    it('not at all where it is called off', () => {
      const callback = jest.fn();
      const callOff = systemClock.after(1000, callback);
      callOff();
      jest.advanceTimersByTime(1_000_000);
      expect(callback).not.toHaveBeenCalled();
      expect(jest.getTimerCount()).toBe(0);
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
