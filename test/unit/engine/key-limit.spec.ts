import { describe, expect, it } from '@jest/globals';
import { fc } from '../../support/properties.js';
import { KeyLimit } from '../../../lib/engine/memory/key-limit.js';
import type { Task } from '../../../lib/task/task.js';
import { bareTask } from '../support/tasks.js';

const taskOf = (name: string, key?: string): Task =>
  bareTask(name, undefined, { keys: { concurrency: key } });

describe('a limit of each key', () => {
  it('passes the slot on where the one that is called back does not come', () => {
    const limit = new KeyLimit(1);
    const [first, second, third] = ['1', '2', '3'].map((name) => taskOf(name, 'k'));
    [first, second, third].forEach((task) => limit.enter(task));
    limit.leave(first);
    expect(limit.cancel(second)).toBe(third);
    expect(limit.cancel(third)).toBeUndefined();
    expect(limit.parked()).toEqual([]);
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
