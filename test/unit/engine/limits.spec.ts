import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { CollectedTasks } from '../../../lib/engine/bullmq/commit/collected-tasks.js';
import type { JobStore } from '../../../lib/engine/bullmq/store/job-store.js';
import type { QueueLimits } from '../../../lib/engine/engine.js';
import { KeyLimit } from '../../../lib/engine/memory/key-limit.js';
import { QueueFullError } from '../../../lib/errors/queue-full.error.js';
import type { Task } from '../../../lib/task/task.js';
import { FakeClock } from '../support/fake-clock.js';
import { bareTask } from '../support/tasks.js';

const taskOf = (name: string, key?: string): Task =>
  bareTask(name, undefined, { keys: { concurrency: key } });

describe('a limit of each key', () => {
  it('passes the slot on if the task that is called back was cancelled', () => {
    const limit = new KeyLimit(1);
    const [first, second, third] = ['1', '2', '3'].map((name) => taskOf(name, 'k'));
    [first, second, third].forEach((task) => limit.enter(task));
    limit.leave(first);
    expect(limit.cancel(second)).toBe(third);
    expect(limit.cancel(third)).toBeUndefined();
    expect(limit.parked()).toEqual([]);
  });
});

const LIMITS = { name: 'default', maxPending: 4 } as QueueLimits;

/** Limits before a store that says how many tasks are pending. */
function limitsOn(pendingOf: () => Promise<number>) {
  const clock = new FakeClock();
  const limits = new CollectedTasks([LIMITS], { clock, pendingOf } as unknown as JobStore);
  const admitted: Task[] = [];
  /** @returns how many of so many were admitted */
  const admit = (times: number): number => {
    const before = admitted.length;
    for (let count = 0; count < times; count += 1) {
      const task = bareTask('task');
      try {
        limits.admit(task);
        admitted.push(task);
      } catch (error) {
        if (!(error instanceof QueueFullError)) {
          throw error;
        }
      }
    }
    return admitted.length - before;
  };
  return { clock, limits, admitted, admit };
}

describe('maxPending of a queue that processes share', () => {
  it('P12: refuses as long as the store is full, however seldom tasks are added', async () => {
    const { clock, admit } = limitsOn(() => Promise.resolve(4));
    admit(1);
    await turnOfTheLoop();
    for (let minute = 0; minute < 3; minute += 1) {
      await clock.advance(60_000);
      expect(admit(1)).toBe(0);
    }
  });

  it('counts by itself while the store does not answer', async () => {
    const { limits, admitted, admit } = limitsOn(() => Promise.reject(new Error('down')));
    expect(admit(10)).toBe(4);
    await turnOfTheLoop();
    limits.takeOut(admitted[0]);
    expect(admit(10)).toBe(1);
  });
});
