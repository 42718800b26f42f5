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

describe('the holder of a dedupe key', () => {
  it('is nobody at first', () => {
    expect(new DedupeKeys().holder('k', 0)).toBeUndefined();
  });

  it('is the first who claims it, until that one has settled', () => {
    const keys = new DedupeKeys();
    const [first, second] = [taskOf('1'), taskOf('2')];
    keys.claim('k', first, 0);
    keys.claim('k', second, 0);
    expect(keys.holder('k', 1e9)).toBe(first);
    expect(keys.holder('other', 0)).toBeUndefined();
    complete(first);
    keys.settled(first, 'k', 5);
    expect(keys.holder('k', 5)).toBeUndefined();
  });

  it('is let go of from the moment it has settled, before anybody says so', () => {
    const keys = new DedupeKeys();
    const [first, second] = [taskOf('1'), taskOf('2')];
    keys.claim('k', first, 0);
    complete(first);
    keys.claim('k', second, 5);
    keys.settled(first, 'k', 5);
    expect(keys.holder('k', 5)).toBe(second);
  });

  it('keeps it for its window, from when it was added', () => {
    const keys = new DedupeKeys();
    const task = taskOf('1', { window: 100, addedAt: 50 });
    keys.claim('k', task, 60);
    complete(task);
    keys.settled(task, 'k', 70);
    expect(keys.holder('k', 149.9)).toBe(task);
    expect(keys.holder('k', 150)).toBeUndefined();
  });

  it('hands over to itself when it is run again, and to nobody else', () => {
    const keys = new DedupeKeys();
    const failed = taskOf('1', { window: 100 });
    keys.claim('k', failed, 0);
    failed.settle({ status: 'failed', attempts: 1, durationMs: 0, error: 'no' });
    keys.claim('k', taskOf('2', { window: 100, addedAt: 10 }), 10);
    expect(keys.holder('k', 10)).toBe(failed);
    const again = failed.again(10);
    keys.claim('k', again, 10);
    expect(keys.holder('k', 10)).toBe(again);
  });
});

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
