import { beforeEach, describe, expect, it } from '@jest/globals';
import { bytesOf } from '../../../lib/observe/bytes-of.js';
import { FailedTasks } from '../../../lib/observe/failed-tasks.js';
import type { Task } from '../../../lib/task/task.js';
import { bareTask } from '../support/tasks.js';

let now = 0;

beforeEach(() => {
  now = 0;
});

function failedWith(name: string, ...args: unknown[]): Task {
  const task = bareTask(name);
  task.args = args;
  task.settle({ status: 'failed', attempts: 1, durationMs: 0, error: new Error('no') });
  return task;
}

function tasksWithin(limits: Partial<{ count: number; bytes: number; ageMs: number }>) {
  const endless = { count: Infinity, bytes: Infinity, ageMs: Infinity };
  const tasks = new FailedTasks({ ...endless, ...limits, now: () => now });
  return { tasks, names: () => Array.from(tasks, ({ name }) => name) };
}

describe('O7: the failed tasks that are remembered', () => {
  it('are so many at most, the latest', () => {
    const { tasks, names } = tasksWithin({ count: 2 });
    const gone = ['a', 'b', 'c'].flatMap((name) => tasks.push(failedWith(name)));
    expect(names()).toEqual(['c', 'b']);
    expect(gone.map(({ name }) => name)).toEqual(['a']);
  });

  it('are so many bytes at most, however many objects those are', () => {
    const { tasks, names } = tasksWithin({ bytes: 1_000_000 });
    for (let index = 0; index < 20; index += 1) {
      tasks.push(failedWith(`${index}`, { a: Array.from({ length: 10_000 }, () => ({})) }));
    }
    expect(names()).toEqual(['19']);
    tasks.push(failedWith('small'));
    expect(names()).toEqual(['small', '19']);
  });

  it('are no older than they may be', () => {
    const { tasks, names } = tasksWithin({ ageMs: 1_000 });
    tasks.push(failedWith('old'));
    now = 600;
    tasks.push(failedWith('young'));
    now = 1_200;
    expect(names()).toEqual(['young']);
    expect(tasks.push(failedWith('new')).map(({ name }) => name)).toEqual(['old']);
  });

  it('make room when one is removed', () => {
    const { tasks, names } = tasksWithin({ count: 2 });
    const [a, b] = [failedWith('a'), failedWith('b')];
    tasks.push(a);
    tasks.push(b);
    expect([tasks.remove(a), tasks.remove(a)]).toEqual([true, false]);
    tasks.push(failedWith('c'));
    expect(names()).toEqual(['c', 'b']);
  });
});

describe('the size of a value', () => {
  it('counts text, bytes and what is in objects', () => {
    expect(bytesOf('x'.repeat(1_000))).toBeGreaterThan(2_000);
    expect(bytesOf(Buffer.alloc(5_000))).toBeGreaterThan(5_000);
    expect(bytesOf(new Map([['key', 'x'.repeat(500)]]))).toBeGreaterThan(1_000);
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    expect(bytesOf(cycle)).toBeLessThan(1_000);
  });

  it('calls nothing, and ends', () => {
    const trap = new Proxy(
      {},
      {
        getPrototypeOf: () => {
          throw new Error('no');
        },
      },
    );
    const getter = {
      get value(): never {
        throw new Error('called');
      },
    };
    expect(bytesOf([trap, getter])).toBeGreaterThan(0);
    const wide = Array.from({ length: 300_000 }, () => []);
    expect(bytesOf(wide)).toBeLessThan(bytesOf(wide.slice(0, 100_000)) * 2);
  });
});
