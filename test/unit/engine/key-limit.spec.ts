import { describe, expect, it } from '@jest/globals';
import { fc } from '../../support/properties.js';
import { KeyLimit } from '../../../lib/engine/memory/key-limit.js';
import type { Task } from '../../../lib/task/task.js';
import { bareTask } from '../support/tasks.js';

const taskOf = (name: string, key?: string): Task =>
  bareTask(name, undefined, { keys: { concurrency: key } });

const parkedIn = (limit: KeyLimit) =>
  limit.parked().flatMap((lanes) => [...lanes].map(({ name }) => name));

describe('a limit of each key', () => {
  it('lets in what has no key', () => {
    const limit = new KeyLimit(1);
    expect(['1', '2', '3'].map((name) => limit.enter(taskOf(name)))).toEqual([true, true, true]);
    expect(limit.leave(taskOf('1'))).toBeUndefined();
    const plain = bareTask('plain');
    expect([limit.enter(plain), limit.leave(plain)]).toEqual([true, undefined]);
  });

  it('parks what finds its key busy, and calls it back in its turn', () => {
    const limit = new KeyLimit(1);
    const [first, second, third] = ['1', '2', '3'].map((name) => taskOf(name, 'k'));
    expect([first, second, third].map((task) => limit.enter(task))).toEqual([true, false, false]);
    expect(parkedIn(limit)).toEqual(['2', '3']);
    expect(limit.leave(first)).toBe(second);
    expect(limit.enter(second)).toBe(true);
    expect(limit.leave(second)).toBe(third);
    expect(limit.enter(third)).toBe(true);
    expect(limit.leave(third)).toBeUndefined();
    expect(limit.parked()).toEqual([]);
  });

  it('keeps the slot of one that is called back from others of its key', () => {
    const limit = new KeyLimit(1);
    const [first, second, late] = ['1', '2', 'late'].map((name) => taskOf(name, 'k'));
    limit.enter(first);
    limit.enter(second);
    limit.leave(first);
    expect(limit.enter(late)).toBe(false);
    expect(limit.enter(second)).toBe(true);
  });

  it('passes the slot on where the one that is called back does not come', () => {
    const limit = new KeyLimit(1);
    const [first, second, third] = ['1', '2', '3'].map((name) => taskOf(name, 'k'));
    [first, second, third].forEach((task) => limit.enter(task));
    limit.leave(first);
    expect(limit.cancel(second)).toBe(third);
    expect(limit.cancel(third)).toBeUndefined();
    expect(limit.parked()).toEqual([]);
  });

  it('has nothing to pass on for one that was not called back', () => {
    const limit = new KeyLimit(1);
    const [first, second] = ['1', '2'].map((name) => taskOf(name, 'k'));
    limit.enter(first);
    expect(limit.cancel(second)).toBeUndefined();
    expect(limit.enter(second)).toBe(false);
  });

  it('knows keys that are names of members of every object', () => {
    const limit = new KeyLimit(1);
    for (const key of ['__proto__', 'constructor', '']) {
      expect([limit.enter(taskOf('1', key)), limit.enter(taskOf('2', key))]).toEqual([true, false]);
    }
  });

  it('is never passed, and is used up whenever tasks wait: first in, first out', () => {
    const steps = fc.array(fc.record({ key: fc.constantFrom('a', 'b'), ends: fc.nat() }), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), steps, (most, list) => {
        const limit = new KeyLimit(most);
        const running: Task[] = [];
        const waiting: Record<string, Task[]> = { a: [], b: [] };
        const start = (task: Task, key: string) => {
          if (limit.enter(task)) {
            running.push(task);
          } else {
            waiting[key].push(task);
          }
        };
        const end = (nth: number) => {
          const [task] = running.splice(nth % running.length, 1);
          const next = limit.leave(task);
          const key = task.keys?.concurrency as string;
          expect(next).toBe(waiting[key].shift());
          const called = next === undefined ? [] : [next];
          expect(called.every((each) => limit.enter(each))).toBe(true);
          running.push(...called);
        };
        for (const [index, { key, ends }] of list.entries()) {
          start(taskOf(`${index}`, key), key);
          if (ends % 3 === 0 && running.length > 0) {
            end(ends);
          }
          for (const each of ['a', 'b']) {
            const count = running.filter(({ keys }) => keys?.concurrency === each).length;
            expect(count).toBeLessThanOrEqual(most);
            expect(waiting[each].length === 0 || count === most).toBe(true);
          }
        }
        while (running.length > 0) {
          end(0);
        }
        expect([waiting, limit.parked()]).toEqual([{ a: [], b: [] }, []]);
      }),
      { numRuns: 200 },
    );
  });
});
