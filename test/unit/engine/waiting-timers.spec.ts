import { describe, expect, it } from '@jest/globals';
import { fc } from '../../support/properties.js';
import { Timers } from '../../../lib/engine/memory/timers.js';
import type { Task } from '../../../lib/task/task.js';
import { FakeClock } from '../support/fake-clock.js';
import { bareTask } from '../support/tasks.js';

function createTimers() {
  const clock = new FakeClock(0);
  const due: string[] = [];
  const timers = new Timers(clock, ({ name }) => due.push(name));
  const [first, second] = ['a', 'b'].map((name) => bareTask(name)) as [Task, Task];
  return { clock, due, timers, first, second };
}

describe('the timers of tasks', () => {
  it('tell who waits, and until when', async () => {
    const { clock, timers, first, second } = createTimers();
    timers.add(first, 30);
    timers.add(second, 20);
    expect([...timers]).toEqual([first, second]);
    expect([timers.dueAt(first), timers.dueAt(second)]).toEqual([30, 20]);
    await clock.advance(20);
    expect([...timers]).toEqual([first]);
  });

  it('are called off when nothing waits any more', async () => {
    const { clock, due, timers, first, second } = createTimers();
    timers.add(first, 10);
    timers.add(second, 20);
    timers.remove(first);
    timers.remove(second);
    expect([clock.pendingTimers, timers.earliest]).toEqual([0, Number.POSITIVE_INFINITY]);
    await clock.advance(1e6);
    expect(due).toEqual([]);
  });

  it('take one again that was due, and one that was removed', async () => {
    const { clock, due, timers, first, second } = createTimers();
    timers.add(first, 10);
    timers.add(second, 10);
    timers.remove(second);
    await clock.advance(10);
    timers.add(first, 20);
    timers.add(second, 15);
    await clock.advance(10);
    expect(due).toEqual(['a', 'b', 'a']);
  });

  it('know who has waited for longest, whenever that is due', async () => {
    const { clock, timers, first, second } = createTimers();
    expect(timers.firstOf('default')).toBeUndefined();
    timers.add(first, 30);
    timers.add(second, 20);
    expect(timers.firstOf('default')).toBe(first);
    expect(timers.firstOf('other')).toBeUndefined();
    timers.remove(first);
    timers.add(first, 15);
    expect(timers.firstOf('default')).toBe(second);
    await clock.advance(17);
    expect(timers.firstOf('default')).toBe(second);
    await clock.advance(10);
    expect(timers.firstOf('default')).toBeUndefined();
    timers.add(second, 40);
    expect(timers.firstOf('default')).toBe(second);
  });

  it('know who has waited for longest, whoever has left', () => {
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
