import { describe, expect, it } from '@jest/globals';
import type { RequestSettings } from '../../../lib/options/module-options.js';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import { linesOf } from '../../../lib/request/lines.js';
import type { Chain, Task } from '../../../lib/task/task.js';
import { bareTask } from '../support/tasks.js';

const { request: LINE } = new ResolvedOptions({});
const CONCURRENT: RequestSettings = { ...LINE, order: 'concurrent' };

/** The names of what runs one after the other from `head` on; one name twice would be a cycle. */
function lineFrom(head: Task): string[] {
  const names: string[] = [];
  for (let task: Task | undefined = head; task !== undefined; task = task.successor) {
    if (names.includes(task.name)) {
      throw new Error(`${names.join()} and ${task.name} again`);
    }
    names.push(task.name);
  }
  return names;
}

const linesFrom = (tasks: readonly Task[], settings: RequestSettings): string[][] =>
  linesOf(tasks, settings).map(lineFrom);

/** The tasks a, b and c, of one chain. Whoever goes round in a circle of them is stopped. */
function chained(): [Task, Task, Task] {
  const chain: Chain = { isBroken: false };
  let steps = 0;
  const of = (name: string): Task => {
    let successor: Task | undefined;
    return Object.defineProperty(Object.assign(bareTask(name), { chain }), 'successor', {
      get: () => {
        steps += 1;
        if (steps > 1_000) {
          throw new Error('The line is a circle.');
        }
        return successor;
      },
      set: (task: Task | undefined) => {
        successor = task;
      },
    });
  };
  return [of('a'), of('b'), of('c')];
}

describe.each([
  ['in a line', LINE],
  ['a chain for itself', CONCURRENT],
])('tasks that are linked %s', (_, settings) => {
  it('stand in the order added, and do so still when they are linked once more', () => {
    const tasks = chained();
    expect(linesFrom(tasks, settings)).toEqual([['a', 'b', 'c']]);
    expect(linesFrom(tasks, settings)).toEqual([['a', 'b', 'c']]);
  });

  it('keep what already stands behind one of them, in any place', () => {
    for (const [index, expected] of [
      [0, ['a', 'late', 'later', 'b', 'c']],
      [1, ['a', 'b', 'late', 'later', 'c']],
      [2, ['a', 'b', 'c', 'late', 'later']],
    ] as const) {
      const tasks = chained();
      const late = bareTask('late');
      late.successor = bareTask('later');
      tasks[index].successor = late;
      expect(linesFrom(tasks, settings)).toEqual([expected]);
      expect(linesFrom(tasks, settings)).toEqual([expected]);
    }
  });
});
