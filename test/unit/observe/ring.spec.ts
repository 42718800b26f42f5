import { describe, expect, it } from '@jest/globals';
import { fc } from '../../support/properties.js';
import { Ring } from '../../../lib/observe/ring.js';

describe('a ring', () => {
  it('has the latest entries, the latest first, and gives back what had to go', () => {
    const ring = new Ring<string>(3);
    expect(['1', '2', '3', '4', '5'].map((each) => ring.push(each))).toEqual([
      undefined,
      undefined,
      undefined,
      '1',
      '2',
    ]);
    expect([...ring]).toEqual(['5', '4', '3']);
    expect(['2', '3'].map((each) => ring.has(each))).toEqual([false, true]);
  });

  it('does not mind the removal of what is not there', () => {
    const ring = new Ring<string>(2);
    ring.push('1');
    ring.remove('2');
    expect([...ring]).toEqual(['1']);
  });

  it('never has more than its limit, nor anything removed, nor anything out of order', () => {
    const step = fc.oneof(fc.constant('push' as const), fc.record({ remove: fc.nat(20) }));
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.array(step, { maxLength: 60 }),
        (limit, list) => {
          const ring = new Ring<number>(limit);
          const removed = new Set<number>();
          const gone: (number | undefined)[] = [];
          let next = 0;
          for (const each of list) {
            if (each === 'push') {
              gone.push(ring.push(next));
              next += 1;
            } else if (each.remove < next) {
              ring.remove(each.remove);
              removed.add(each.remove);
            }
            const latest = Array.from(
              { length: Math.min(limit, next) },
              (_, age) => next - 1 - age,
            );
            expect([...ring]).toEqual(latest.filter((entry) => !removed.has(entry)));
          }
          for (const [entry, left] of gone.slice(limit).entries()) {
            expect([undefined, entry]).toContain(left);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
