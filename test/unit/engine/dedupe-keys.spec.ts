import { describe, expect, it } from '@jest/globals';
import { DedupeKeys } from '../../../lib/engine/memory/dedupe-keys.js';
import type { Task } from '../../../lib/task/task.js';
import { collectGarbage } from '../../support/garbage.js';
import { bareTask } from '../support/tasks.js';

function taskOf(name: string, { window, addedAt = 0 }: { window?: number; addedAt?: number } = {}) {
  return bareTask(name, undefined, { options: { dedupe: { key: 'k', window } }, addedAt });
}

function complete(task: Task): void {
  task.settle({ status: 'completed', attempts: 1, durationMs: 0 });
}

describe('dedupe keys that nobody asks for again', () => {
  it.each([
    // Fewer than are swept out together. The stack may still hold the last one.
    ['at once if they have no window', 500, undefined, 5],
    ['when their windows have passed', 6_000, 10, 2_500],
  ])('are let go of %s, except held ones', async (_, count, window, left) => {
    const keys = new DedupeKeys();
    const held = taskOf('held');
    keys.claim('held', held, 0);
    const tasks: WeakRef<Task>[] = [];
    for (let now = 0; now < count; now += 1) {
      const task = taskOf(`${now}`, { window, addedAt: now });
      keys.claim(`${now}`, task, now);
      complete(task);
      keys.settled(task, `${now}`, now);
      tasks.push(new WeakRef(task));
    }
    await collectGarbage();
    expect(tasks.filter((task) => task.deref() !== undefined).length).toBeLessThan(left);
    expect(keys.holder('held', count)).toBe(held);
  });

  it('O7: are bounded in number while their windows last; the latest and the held ones stay', () => {
    const keys = new DedupeKeys();
    const held = taskOf('held', { window: 1e9 });
    const done = taskOf('done', { window: 1e9 });
    complete(done);
    keys.claim('held', held, 0);
    for (let count = 0; count < 200_000; count += 1) {
      keys.claim(`${count}`, done, 0);
    }
    const kept = Array.from({ length: 200_000 }, (_, key) => keys.holder(`${key}`, 0)).filter(
      Boolean,
    );
    expect(kept.length).toBeLessThan(100_000);
    expect(keys.holder('0', 0)).toBeUndefined();
    expect(keys.holder('199999', 0)).toBe(done);
    expect(keys.holder('held', 0)).toBe(held);
  });
});
