import { describe, expect, it } from '@jest/globals';
import { Timers } from '../../../lib/engine/memory/timers.js';
import type { Task } from '../../../lib/task/task.js';
import { fc } from '../../support/properties.js';
import { FakeClock } from '../support/fake-clock.js';
import { bareTask } from '../support/tasks.js';

function createTimers() {
  const clock = new FakeClock(0);
  const due: string[] = [];
  const timers = new Timers(clock, ({ name }) => due.push(`${name} at ${clock.now()}`));
  return { clock, due, timers };
}

describe('the timers of tasks', () => {
  it('round a fraction of a millisecond up', async () => {
    const { clock, due, timers } = createTimers();
    timers.add(bareTask('a'), 10.25);
    await clock.advance(10);
    expect(due).toEqual([]);
    await clock.advance(1);
    expect(due).toEqual(['a at 11']);
  });

  it('wait again if a timer goes off early', async () => {
    const clock = new FakeClock(0);
    const early = new FakeClock(0);
    const due: string[] = [];
    const hasty = {
      now: () => clock.now(),
      wall: () => clock.wall(),
      at: () => () => undefined,
      soon: () => undefined,
      // As timers of Node.js do by a fraction of a millisecond.
      after: (delayMs: number, callback: () => void) => early.after(delayMs / 2, callback),
    };
    const timers = new Timers(hasty, ({ name }) => due.push(name));
    timers.add(bareTask('a'), 10);
    await early.advance(5);
    expect(due).toEqual([]);
    expect(early.pendingTimers).toBe(1);
    clock.block(10);
    await early.advance(5);
    expect(due).toEqual(['a']);
  });

  it('know which task has waited longest', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 9 }), { maxLength: 40 }), (numbers) => {
        const { timers } = createTimers();
        const tasks = Array.from({ length: 10 }, (_, index) => bareTask(`${index}`));
        const waiting: Task[] = [];
        for (const number of numbers) {
          const task = tasks[number];
          const place = waiting.indexOf(task);
          if (place < 0) {
            timers.add(task, 1_000 - number);
            waiting.push(task);
          } else {
            timers.remove(task);
            waiting.splice(place, 1);
          }
          expect(timers.firstOf('default')).toBe(waiting[0]);
          expect([...timers]).toEqual(waiting);
        }
      }),
    );
  });
});

describe('any number of timers', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('add' as const), in: fc.nat(50) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), nth: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('advance' as const), by: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('block' as const), by: fc.nat(20) }) },
  );

  it('P9: come in the order of their times, and share one timer of the clock', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        const clock = new FakeClock(0);
        const due: string[] = [];
        const timers = new Timers(clock, ({ name }) => due.push(name));
        let model: { task: Task; at: number }[] = [];
        const expected: string[] = [];
        const expectDue = (): void => {
          // Stable: of those due at one time, the one added first.
          model.sort((one, other) => one.at - other.at);
          const now = clock.now();
          expected.push(...model.filter(({ at }) => at <= now).map(({ task }) => task.name));
          model = model.filter(({ at }) => at > now);
        };
        for (const [index, each] of [...steps, { kind: 'advance' as const, by: 100 }].entries()) {
          switch (each.kind) {
            case 'add': {
              const task = bareTask(`${index}`);
              timers.add(task, clock.now() + each.in);
              model.push({ task, at: clock.now() + each.in });
              break;
            }
            case 'remove': {
              if (model.length > 0) {
                const [entry] = model.splice(each.nth % model.length, 1);
                timers.remove((entry as { task: Task }).task);
              }
              break;
            }
            case 'advance':
              await clock.advance(each.by);
              expectDue();
              break;
            case 'block':
              clock.block(each.by);
              break;
          }
          expect(clock.pendingTimers).toBe(model.length > 0 ? 1 : 0);
          expect(timers.earliest).toBe(Math.min(...model.map(({ at }) => at)));
        }
        expect(due).toEqual(expected);
        expect(model).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });
});
