import { describe, expect, it } from '@jest/globals';
import { Lanes } from '../../../lib/engine/memory/lanes.js';
import { TaskList } from '../../../lib/engine/memory/task-list.js';
import type { Priority } from '../../../lib/task/task-options.js';
import type { Task } from '../../../lib/task/task.js';
import { fc } from '../../support/properties.js';
import { collectGarbage } from '../../support/garbage.js';
import { bareTask } from '../support/tasks.js';

const PRIORITIES = ['high', 'normal', 'low'] as const;

const taskOf = (name: string, priority: Priority = 'normal', addedAt = 0): Task =>
  bareTask(name, undefined, { options: { priority }, addedAt });

function lanesOf(...tasks: Task[]): Lanes {
  const lanes = new Lanes();
  tasks.forEach((task) => lanes.push(task));
  return lanes;
}

function takeAll(lanes: Lanes): string[] {
  const names: string[] = [];
  for (let task = lanes.take(); task !== undefined; task = lanes.take()) {
    names.push(task.name);
  }
  return names;
}

describe('lanes', () => {
  it('give a task that is back from waiting for its key first in its lane', () => {
    const lanes = lanesOf(taskOf('1'), taskOf('2'));
    lanes.resume(taskOf('back'));
    lanes.push(taskOf('high', 'high'));
    expect(takeAll(lanes)).toEqual(['high', 'back', '1', '2']);
  });

  it('pass over a lower lane ten times at most', () => {
    const lanes = new Lanes();
    for (let index = 0; index < 50; index += 1) {
      lanes.push(taskOf('n', 'normal'));
    }
    lanes.push(taskOf('l', 'low'));
    lanes.push(taskOf('l', 'low'));
    expect(takeAll(lanes).join('')).toMatch(/^n{10}ln{10}ln{30}$/);
  });

  it('lose no task, keep the order of each lane, and let no lane starve', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...PRIORITIES) },
      { weight: 2, arbitrary: fc.constant('take' as const) },
      { weight: 1, arbitrary: fc.nat().map((at) => ({ remove: at })) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const lanes = new Lanes();
        const waiting: Record<Priority, Task[]> = { high: [], normal: [], low: [] };
        const passedOver: Record<Priority, number> = { high: 0, normal: 0, low: 0 };
        const all = () => PRIORITIES.flatMap((priority) => waiting[priority]);
        const take = () => {
          const taken = lanes.take();
          expect(taken === undefined).toBe(all().length === 0);
          if (taken === undefined) {
            return;
          }
          const { priority } = taken.settings;
          expect(waiting[priority].shift()).toBe(taken);
          for (const each of PRIORITIES) {
            passedOver[each] =
              each === priority || waiting[each].length === 0 ? 0 : passedOver[each] + 1;
          }
          // One more where both lower lanes have waited enough.
          expect(Math.max(passedOver.normal, passedOver.low)).toBeLessThanOrEqual(11);
        };
        for (const each of steps) {
          expect(lanes.isEmpty).toBe(all().length === 0);
          if (each === 'take') {
            take();
          } else if (typeof each === 'string') {
            const task = taskOf(each, each);
            lanes.push(task);
            waiting[each].push(task);
          } else if (all().length > 0) {
            const task = all()[each.remove % all().length];
            task.place?.remove(task);
            waiting[task.settings.priority] = waiting[task.settings.priority].filter(
              (other) => other !== task,
            );
          }
        }
        const rest = all().length;
        for (let index = 0; index <= rest; index += 1) {
          take();
        }
        expect(lanes.isEmpty).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

/** Whole stretches, longer than what is allocated at once, and single ones. */
const isRemoved = (index: number) => (index > 900 && index < 4_000) || index % 3 === 0;

const namesOf = (list: TaskList): string[] => Array.from(list, ({ name }) => name);

const isAlive = (task: WeakRef<Task>) => task.deref() !== undefined;

describe('a list of many tasks', () => {
  it('gives them in order, whichever were removed, and lists the rest', () => {
    const list = new TaskList();
    const tasks = Array.from({ length: 10_000 }, (_, index) => bareTask(`${index}`));
    tasks.forEach((task) => list.push(task));
    tasks.forEach((task, index) => isRemoved(index) && list.remove(task));
    const left = tasks.filter((_, index) => !isRemoved(index));
    expect(namesOf(list)).toEqual(left.map(({ name }) => name));
    list.shift();
    list.shift();
    expect(namesOf(list)).toEqual(left.slice(2).map(({ name }) => name));
    const isInOrder = left.slice(2).every((task) => list.first === task && list.shift() === task);
    expect([isInOrder, list.isEmpty]).toEqual([true, true]);
  });

  it.each([
    ['taken tasks long before it is empty', 5_000, 4_000, (list: TaskList) => void list.shift()],
    [
      'removed tasks as soon as their turn would have come',
      500,
      400,
      (list: TaskList, task: Task) => list.remove(task),
    ],
  ])('lets go of %s', async (_, all, gone, leave) => {
    const list = new TaskList();
    const tasks: WeakRef<Task>[] = [];
    for (let index = 0; index < all; index += 1) {
      const task = bareTask(`${index}`);
      list.push(task);
      tasks.push(new WeakRef(task));
    }
    tasks.slice(0, gone).forEach((task) => leave(list, task.deref() as Task));
    expect(list.first?.name).toBe(`${gone}`);
    await collectGarbage();
    expect(tasks.slice(0, gone).some(isAlive)).toBe(false);
    expect(tasks.slice(gone).every(isAlive)).toBe(true);
  });
});
