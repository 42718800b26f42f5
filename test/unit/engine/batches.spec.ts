import { describe, expect, it } from '@jest/globals';
import { Batches } from '../../../lib/engine/memory/batches.js';
import { DedupeKeys } from '../../../lib/engine/memory/dedupe-keys.js';
import type { BackgroundOptions } from '../../../lib/task/task-options.js';
import type { Task } from '../../../lib/task/task.js';
import { fc } from '../../support/properties.js';
import { FakeClock } from '../support/fake-clock.js';
import { collectGarbage } from '../../support/garbage.js';
import { bareTask } from '../support/tasks.js';

const SIZE = 4;
const WAIT_MS = 100;

const callOf = (items: readonly unknown[], options: BackgroundOptions = {}): Task =>
  bareTask(items.join(), undefined, { args: [items], options });

function createBatches() {
  const clock = new FakeClock(0);
  /** The calls of each batch that was sent off, the leader first. */
  const sent: Task[][] = [];
  const batches = new Batches(clock, (leader) => {
    sent.push([leader, ...(leader.followers ?? [])]);
  });
  return {
    clock,
    sent,
    batches,
    add: (task: Task) => {
      batches.add(task, SIZE, WAIT_MS);
      return task;
    },
  };
}

describe('calls that are gathered', () => {
  it('are placed here until they are sent off, and follow the first then', async () => {
    const { clock, batches, add, sent } = createBatches();
    const [first, second] = [add(callOf([1])), add(callOf([2]))];
    expect([first.place, second.place, batches.isEmpty]).toEqual([batches, batches, false]);
    expect([...batches]).toEqual([first, second]);
    await clock.advance(WAIT_MS);
    expect(sent).toEqual([[first, second]]);
    expect([first.place, second.place, batches.isEmpty]).toEqual([undefined, undefined, true]);
    expect([first.leader, second.leader]).toEqual([undefined, first]);
  });

  it('are each sent off once, in order, never more than fit and never later than the wait', async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ items: fc.nat(6) }) },
      { weight: 1, arbitrary: fc.record({ advance: fc.nat(120) }) },
      { weight: 1, arbitrary: fc.record({ remove: fc.nat() }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { clock, batches, add, sent } = createBatches();
        const added: { task: Task; at: number }[] = [];
        const removed = new Set<Task>();
        for (const each of steps) {
          if ('items' in each) {
            const task = callOf(Array<number>(each.items).fill(added.length));
            added.push({ task: add(task), at: clock.now() });
          } else if ('advance' in each) {
            await clock.advance(each.advance);
          } else if ([...batches].length > 0) {
            const waiting = [...batches];
            const task = waiting[each.remove % waiting.length];
            batches.remove(task);
            removed.add(task);
          }
          for (const { task, at } of added) {
            expect(task.place === batches && clock.now() - at > WAIT_MS).toBe(false);
          }
        }
        await clock.advance(WAIT_MS);
        expect(sent.flat()).toEqual(added.flatMap(({ task }) => (removed.has(task) ? [] : [task])));
        for (const batch of sent.filter(({ length }) => length > 1)) {
          const items = batch.reduce((sum, { args }) => sum + (args[0] as unknown[]).length, 0);
          expect(items).toBeLessThanOrEqual(SIZE);
        }
        expect([clock.pendingTimers, batches.isEmpty]).toEqual([0, true]);
      }),
      { numRuns: 100 },
    );
  });
});

function taskOf(name: string, { window, addedAt = 0 }: { window?: number; addedAt?: number } = {}) {
  return bareTask(name, undefined, { options: { dedupe: { key: 'k', window } }, addedAt });
}

function complete(task: Task): void {
  task.settle({ status: 'completed', attempts: 1, durationMs: 0 });
}

describe('the holder of a dedupe key', () => {
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
