import { describe, expect, it } from '@jest/globals';
import { RecentTasks } from '../../../lib/engine/bullmq/view/recent-tasks.js';
import { bareTask } from '../support/tasks.js';

const MOST = 10_000;

function taskOf(id: number) {
  const task = bareTask(`task ${id}`);
  expect(task.id).toBe(`id of task ${id}`);
  return task;
}

describe('the tasks that a process has handed over', () => {
  it('are remembered, the latest ten thousand at least and twice as many at most', () => {
    const recent = new RecentTasks();
    const tasks = Array.from({ length: 2 * MOST + 1 }, (_, index) => taskOf(index));
    tasks.slice(0, MOST + 1).forEach((task) => recent.add(task));
    expect([recent.get(tasks[0].id), recent.all.length]).toEqual([tasks[0], MOST + 1]);
    tasks.slice(MOST + 1).forEach((task) => recent.add(task));
    expect(recent.get(tasks[0].id)).toBeUndefined();
    expect(recent.get(tasks[MOST].id)).toBe(tasks[MOST]);
    expect(recent.all).toEqual(tasks.slice(MOST));
  });

  it('are forgotten one by one, however old', () => {
    const recent = new RecentTasks();
    const tasks = Array.from({ length: MOST + 1 }, (_, index) => taskOf(index));
    tasks.forEach((task) => recent.add(task));
    for (const task of [tasks[0], tasks[MOST]]) {
      recent.delete(task.id);
      expect(recent.get(task.id)).toBeUndefined();
    }
    expect(recent.all).toHaveLength(MOST - 1);
  });

  it('show on their handles that they run, with the attempt that it is', () => {
    const recent = new RecentTasks();
    const known = taskOf(1);
    recent.add(known);
    const running = taskOf(1);
    running.attempts = 3;
    recent.started(running);
    recent.started(taskOf(2));
    expect([known.status, known.attempts]).toEqual(['running', 3]);
  });

  it('are those that were stored and have an id, whether still remembered or not', () => {
    const recent = new RecentTasks();
    const task = bareTask('task');
    expect(recent.has(task)).toBe(false);
    task.isCommitted = true;
    expect(recent.has(task)).toBe(false);
    expect([task.id, recent.has(task)]).toEqual(['id of task', true]);
  });
});
