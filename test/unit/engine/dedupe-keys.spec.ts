import { describe, expect, it } from '@jest/globals';
import { DedupeKeys } from '../../../lib/engine/memory/dedupe-keys.js';
import type { Task } from '../../../lib/task/task.js';
import { collectGarbage } from '../support/garbage.js';
import { bareTask } from '../support/tasks.js';

function taskOf(name: string, { window, addedAt = 0 }: { window?: number; addedAt?: number } = {}) {
  return bareTask(name, undefined, { options: { dedupe: { key: 'k', window } }, addedAt });
}

function complete(task: Task): void {
  task.settle({ status: 'completed', attempts: 1, durationMs: 0 });
}

describe('dedupe keys that nobody asks for again', () => {
  it('are let go of at once where they have no window', async () => {
    const keys = new DedupeKeys();
    const tasks: WeakRef<Task>[] = [];
    // Fewer than are swept out together.
    for (let now = 0; now < 500; now += 1) {
      const task = taskOf(`${now}`, { addedAt: now });
      keys.claim(`${now}`, task, now);
      complete(task);
      keys.settled(task, `${now}`, now);
      tasks.push(new WeakRef(task));
    }
    await collectGarbage();
    // The stack may still hold the last one.
    expect(tasks.filter((task) => task.deref() !== undefined).length).toBeLessThan(5);
    expect(keys.holder('0', 500)).toBeUndefined();
  });

  it('O7: are so many at most, the latest, while their windows last; those that are held stay', () => {
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

  it('are let go of when their windows have passed; those that are held stay', async () => {
    const keys = new DedupeKeys();
    const held = taskOf('held');
    keys.claim('held', held, 0);
    const tasks: WeakRef<Task>[] = [];
    for (let now = 0; now < 6_000; now += 1) {
      const task = taskOf(`${now}`, { window: 10, addedAt: now });
      keys.claim(`${now}`, task, now);
      complete(task);
      keys.settled(task, `${now}`, now);
      tasks.push(new WeakRef(task));
    }
    await collectGarbage();
    expect(tasks.filter((task) => task.deref() !== undefined).length).toBeLessThan(2_500);
    expect(keys.holder('held', 6_000)).toBe(held);
  });
});
