import { describe, expect, it } from '@jest/globals';
import { fc } from '../../support/properties.js';
import { RateLimit } from '../../../lib/engine/memory/rate-limit.js';

describe('a rate limit', () => {
  it('lets as many start as it allows, then tells how long to wait', () => {
    const limit = new RateLimit(2, 100);
    expect(limit.waitMs(0)).toBe(0);
    limit.started(0);
    expect(limit.waitMs(30)).toBe(0);
    limit.started(30);
    expect([limit.waitMs(30), limit.waitMs(99), limit.waitMs(100)]).toEqual([70, 1, 0]);
    limit.started(100);
    expect([limit.waitMs(100), limit.waitMs(130)]).toEqual([30, 0]);
  });

  it('asks for no wait after a long silence', () => {
    const limit = new RateLimit(1, 100);
    limit.started(0);
    expect(limit.waitMs(1e9)).toBe(0);
  });

  it('is never passed in any window, and never waits longer than it has to', () => {
    const times = fc.array(fc.double({ min: 0, max: 40, noNaN: true }), { maxLength: 100 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 60 }),
        times,
        (max, perMs, gaps) => {
          const limit = new RateLimit(max, perMs);
          const starts: number[] = [];
          const within = (now: number) => starts.filter((start) => start + perMs > now).length;
          let now = 0;
          for (const gap of gaps) {
            now += gap;
            expect(limit.waitMs(now) > 0).toBe(within(now) >= max);
            if (limit.waitMs(now) === 0) {
              limit.started(now);
              starts.push(now);
            }
          }
          for (const [index, start] of starts.entries()) {
            const next = starts[index + max];
            expect(next === undefined || next >= start + perMs).toBe(true);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
