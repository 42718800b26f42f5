import { describe, expect, it } from '@jest/globals';
import { fc } from '../../support/properties.js';
import { TaskList } from '../../../lib/engine/memory/task-list.js';
import type { Task } from '../../../lib/task/task.js';
import { bareTask } from '../support/tasks.js';

describe('a list of tasks', () => {
  it('behaves as an array does, whatever is pushed, shifted and removed', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constant({ kind: 'push' as const }) },
      { weight: 2, arbitrary: fc.constant({ kind: 'shift' as const }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), at: fc.nat() }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const list = new TaskList();
        const model: Task[] = [];
        /** What the list gave, and what the array did. */
        const taken: [string | undefined, string | undefined][] = [];
        for (const [index, each] of steps.entries()) {
          if (each.kind === 'push') {
            const task = bareTask(String(index));
            list.push(task);
            model.push(task);
          } else if (each.kind === 'shift') {
            taken.push([list.shift()?.name, model.shift()?.name]);
          } else if (model.length > 0) {
            const [task] = model.splice(each.at % model.length, 1);
            list.remove(task);
          }
          expect(list.isEmpty).toBe(model.length === 0);
        }
        expect(taken.map(([own]) => own)).toEqual(taken.map(([, other]) => other));
        const rest: Task[] = [];
        for (let task = list.shift(); task !== undefined; task = list.shift()) {
          rest.push(task);
        }
        expect(rest.map(({ name }) => name)).toEqual(model.map(({ name }) => name));
      }),
      { numRuns: 300 },
    );
  });
});
