import { describe, expect, it } from '@jest/globals';
import { TaskList } from '../../../lib/engine/memory/task-list.js';
import type { Task } from '../../../lib/task/task.js';
import { collectGarbage } from '../support/garbage.js';
import { bareTask } from '../support/tasks.js';

/** Whole stretches, longer than what is allocated at once, and single ones. */
const isRemoved = (index: number) => (index > 900 && index < 4_000) || index % 3 === 0;

const namesOf = (list: TaskList): string[] => Array.from(list, ({ name }) => name);

const isAlive = (task: WeakRef<Task>) => task.deref() !== undefined;

describe('a list of many tasks', () => {
  it('gives them in order, whichever were removed, and shows what is left', () => {
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

  it('takes tasks again and again after it has been empty', () => {
    const list = new TaskList();
    for (let round = 0; round < 3; round += 1) {
      const tasks = Array.from({ length: 1_500 }, (_, index) => bareTask(`${round} ${index}`));
      tasks.forEach((task) => list.push(task));
      expect(tasks.every((task) => list.shift() === task)).toBe(true);
      expect([list.isEmpty, list.first, list.shift()]).toEqual([true, undefined, undefined]);
    }
  });

  it('lets go of what was taken, long before it is empty', async () => {
    const list = new TaskList();
    const tasks: WeakRef<Task>[] = [];
    for (let index = 0; index < 5_000; index += 1) {
      const task = bareTask(`${index}`);
      list.push(task);
      tasks.push(new WeakRef(task));
    }
    for (let index = 0; index < 4_000; index += 1) {
      list.shift();
    }
    await collectGarbage();
    expect(tasks.slice(0, 4_000).some(isAlive)).toBe(false);
    expect(tasks.slice(4_000).every(isAlive)).toBe(true);
    expect(list.isEmpty).toBe(false);
  });

  it('lets go of what was removed, as soon as its turn would have come', async () => {
    const list = new TaskList();
    const tasks: WeakRef<Task>[] = [];
    for (let index = 0; index < 500; index += 1) {
      const task = bareTask(`${index}`);
      list.push(task);
      tasks.push(new WeakRef(task));
    }
    tasks.slice(0, 400).forEach((task) => list.remove(task.deref() as Task));
    expect(list.first?.name).toBe('400');
    await collectGarbage();
    expect(tasks.slice(0, 400).some(isAlive)).toBe(false);
  });
});
