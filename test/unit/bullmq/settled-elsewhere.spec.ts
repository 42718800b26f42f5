import { EventEmitter } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type { JobStore } from '../../../lib/engine/bullmq/store/job-store.js';
import { SettledElsewhere } from '../../../lib/engine/bullmq/view/settled-elsewhere.js';
import type { TaskJob } from '../../../lib/engine/bullmq/codec/stored-job.js';
import type { Task } from '../../../lib/task/task.js';
import { FakeClock } from '../support/fake-clock.js';
import { bareTask } from '../support/tasks.js';

/** Of a store that has only the jobs of `has`, and counts what it is asked. */
function createWatch(has: Map<string, Partial<TaskJob>>, wasStored = true) {
  const clock = new FakeClock();
  const events = new EventEmitter();
  const asked: string[] = [];
  const settled: string[] = [];
  const store = {
    events: () => events,
    queue: () => ({
      getJob: (id: string) => {
        asked.push(id);
        return Promise.resolve(has.get(id));
      },
    }),
  } as unknown as JobStore;
  const elsewhere = new SettledElsewhere(
    store,
    clock,
    () => false,
    () => wasStored,
    (task: Task, { status }) => settled.push(`${task.name} ${status}`),
  );
  return { clock, events, asked, settled, elsewhere };
}

describe('a task that somebody waits for', () => {
  it('is abandoned once the store has let go of it, and no event says more', async () => {
    const { clock, elsewhere, settled } = createWatch(new Map());
    elsewhere.watch(bareTask('gone'));
    await clock.advance(1_000);
    expect(settled).toEqual([]);
    await clock.advance(1_000);
    expect(settled).toEqual(['gone abandoned']);
    expect(elsewhere.tasks).toEqual([]);
  });

  it('ends as an event says, though that comes late', async () => {
    const { clock, elsewhere, events, settled } = createWatch(new Map());
    const task = bareTask('cancelled');
    elsewhere.watch(task);
    await clock.advance(1_000);
    events.emit('removed', { jobId: task.id });
    await clock.advance(5_000);
    expect(settled).toEqual(['cancelled cancelled']);
  });

  it('is waited for as long as the store has it, or has yet to take it', async () => {
    const there = bareTask('there');
    const stored = createWatch(new Map([[there.id, {}]]));
    stored.elsewhere.watch(there);
    await stored.clock.advance(10_000);
    const collected = createWatch(new Map(), false);
    collected.elsewhere.watch(bareTask('collected'));
    await collected.clock.advance(10_000);
    expect([...stored.settled, ...collected.settled]).toEqual([]);
  });

  it('is let go where it settles without the store', async () => {
    const { clock, elsewhere, asked } = createWatch(new Map(), false);
    const task = bareTask('duplicate');
    elsewhere.watch(task);
    task.settle({ status: 'dropped', reason: 'duplicate' });
    await clock.advance(1_000);
    expect(elsewhere.tasks).toEqual([]);
    const before = asked.length;
    await clock.advance(10_000);
    expect(asked).toHaveLength(before);
  });
});
