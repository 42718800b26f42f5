import { describe, expect, it } from '@jest/globals';
import { fc } from '../../support/properties.js';
import { Batches } from '../../../lib/engine/memory/batches.js';
import type { BackgroundOptions } from '../../../lib/task/task-options.js';
import type { Task } from '../../../lib/task/task.js';
import { FakeClock } from '../support/fake-clock.js';
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

  it('are sent off at once when asked for', () => {
    const { clock, batches, add, sent } = createBatches();
    const [one, other] = [add(callOf([1])), add(callOf([2], { priority: 'high' }))];
    batches.flushAll();
    expect(sent).toEqual([[one], [other]]);
    expect(clock.pendingTimers).toBe(0);
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
