import { describe, expect, it } from '@jest/globals';
import type { Collection } from '../../../lib/intake/collection.js';
import type { Task } from '../../../lib/task/task.js';
import { createKit } from '../support/kit.js';
import { bareTask } from '../support/tasks.js';

const keyed = (dedupe: string): Task => bareTask(dedupe, undefined, { keys: { dedupe } });

/** How often the keys of its tasks are looked at when a request adds `count`, each with its own. */
function looksFor(count: number): number {
  const collection = createKit().release.open(undefined);
  let looks = 0;
  for (let number = 0; number < count; number++) {
    const key = `key ${number}`;
    const task = keyed(key);
    const { keys } = task;
    Object.defineProperty(task, 'keys', {
      get: () => {
        looks += 1;
        return keys;
      },
    });
    expect(collection.duplicateOf(key)).toBeUndefined();
    collection.add(task);
  }
  return looks;
}

describe('the dedupe keys of a request', () => {
  let collection: Collection;
  const add = (task: Task): Task => {
    collection.add(task);
    return task;
  };

  it('cost each task that is added the same, however many there are', () => {
    expect(looksFor(2_000)).toBeLessThanOrEqual(2 * looksFor(1_000));
  });

  it('stand for the task that has one as long as it is not over, and for its successor then', () => {
    collection = createKit().release.open(undefined);
    const first = add(keyed('k'));
    expect([collection.duplicateOf('k'), collection.duplicateOf('other')]).toEqual([
      first,
      undefined,
    ]);
    first.isOver = true;
    expect(collection.duplicateOf('k')).toBeUndefined();
    const second = add(keyed('k'));
    expect(collection.duplicateOf('k')).toBe(second);
  });

  it('are those of the request around a resolver as well', () => {
    const { release } = createKit();
    collection = release.open(undefined);
    const resolver = release.open(undefined, collection);
    const outer = add(keyed('k'));
    expect(resolver.duplicateOf('k')).toBe(outer);
    resolver.add(Object.assign(keyed('k'), { isOver: true }));
    expect(resolver.duplicateOf('k')).toBe(outer);
  });
});
