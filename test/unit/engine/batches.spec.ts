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

describe('gathered calls', () => {
  it('are each sent off once, in order, no more than fit, no later than the wait', async () => {
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
