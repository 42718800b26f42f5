import { describe, expect, it } from '@jest/globals';
import { TaskRecords } from '../../../lib/observe/task-records.js';
import type { Outcome } from '../../../lib/task/outcome.js';
import type { Task } from '../../../lib/task/task.js';
import { collectGarbage } from '../support/garbage.js';
import { NOBODY, bareTask } from '../support/tasks.js';

const COMPLETED: Outcome = { status: 'completed', attempts: 1, durationMs: 0 };
const FAILED: Outcome = { status: 'failed', attempts: 1, durationMs: 0, error: 'no' };

function createRecords(limit: number) {
  const records = new TaskRecords(limit);
  const home = {
    ...NOBODY,
    mintId: (task: Task) => {
      const id = `id of ${task.name}`;
      records.index(id, task);
      return id;
    },
  };
  return {
    records,
    add: (name: string) => bareTask(name, home),
    settle: (task: Task, outcome: Outcome) => {
      task.settle(outcome);
      records.remember(task);
      return task;
    },
    names: (status: Outcome['status']) => [...records.of(status)].map(({ name }) => name),
  };
}

describe('the records of tasks', () => {
  it('find a task by its id from when somebody has asked for that', () => {
    const { records, add } = createRecords(10);
    const task = add('1');
    expect(records.get('id of 1')).toBeUndefined();
    expect(records.get(task.id)).toBe(task);
  });

  it('remember so many of each status, the latest first', () => {
    const { add, settle, names } = createRecords(2);
    ['1', '2', '3'].forEach((name) => settle(add(name), COMPLETED));
    ['4', '5'].forEach((name) => settle(add(name), FAILED));
    expect(names('completed')).toEqual(['3', '2']);
    expect(names('failed')).toEqual(['5', '4']);
    expect(names('cancelled')).toEqual([]);
  });

  it('find what they remember, and forget the id with the task', () => {
    const { records, add, settle } = createRecords(1);
    const [first, second] = [add('1'), add('2')];
    const ids = [first.id, second.id];
    settle(first, COMPLETED);
    expect(records.get(ids[0])).toBe(first);
    settle(second, COMPLETED);
    expect(ids.map((id) => records.get(id))).toEqual([undefined, second]);
  });

  it('O7: leave nothing of a call that they have forgotten, whoever holds its handle', () => {
    const { add, settle } = createRecords(1);
    const first = Object.assign(add('1'), { args: ['large'] });
    settle(first, FAILED);
    expect(first.args).toEqual(['large']);
    settle(add('2'), FAILED);
    expect(first.args).toEqual([]);
  });

  it('never find a task whose id is first asked for when it is forgotten', () => {
    const { records, add, settle } = createRecords(1);
    const [first, second] = [settle(add('1'), COMPLETED), settle(add('2'), COMPLETED)];
    expect(records.get(first.id)).toBeUndefined();
    expect(records.get(second.id)).toBe(second);
  });

  it('find the new one where a failed task runs again, and list the old one no longer', () => {
    const { records, add, settle, names } = createRecords(2);
    const failed = settle(add('1'), FAILED);
    const { id } = failed;
    const again = failed.again(0);
    records.replace(failed, again);
    expect([records.get(id), names('failed')]).toEqual([again, []]);
    // Whatever becomes of the old one's place, the id is the new one's.
    ['2', '3', '4'].forEach((name) => settle(add(name), FAILED));
    expect(records.get(id)).toBe(again);
    settle(again, COMPLETED);
    expect([records.get(id), names('completed')]).toEqual([again, ['1']]);
  });

  it('keep nothing alive that they have forgotten, ids included', async () => {
    const { add, settle } = createRecords(5);
    const forgotten: WeakRef<Task>[] = [];
    const ids = new Set<string>();
    for (let index = 0; index < 50; index += 1) {
      const task = add(`${index}`);
      // Some are asked for their id before they settle, some afterwards.
      if (index % 2 === 0) {
        ids.add(task.id);
      }
      ids.add(settle(task, COMPLETED).id);
      forgotten.push(new WeakRef(task));
    }
    expect(ids.size).toBe(50);
    await collectGarbage();
    const alive = forgotten.flatMap((task, index) => (task.deref() === undefined ? [] : [index]));
    expect(alive).toEqual([45, 46, 47, 48, 49]);
  });
});
