import { expect, it } from '@jest/globals';
import { inOrder, isWithin } from '../../../lib/engine/kept-tasks.js';
import { ShutDownError } from '../../../lib/errors/misuse.errors.js';
import { QueueFullError } from '../../../lib/errors/queue-full.error.js';
import { BulkOfFailed } from '../../../lib/run/bulk-of-failed.js';
import type { FailedTasksQuery } from '../../../lib/run/task-list.js';
import { cursorOf, positionOf } from '../../../lib/task/position.js';
import type { TaskInfo } from '../../../lib/task/task-info.js';
import { FakeClock } from '../support/fake-clock.js';

const TASKS = 600;

/** The failed tasks of a store, each of which fails again at once if it is run again. */
function failedTasks(clock: FakeClock, skewMs = 0) {
  const old = clock.now() - 60_000;
  const failedAt = new Map(Array.from({ length: TASKS }, (_, index) => [`${index}`, old + index]));
  const store = { isFull: false, retried: [] as string[], retryAll };
  return store;

  async function list(query: FailedTasksQuery): Promise<TaskInfo[]> {
    const tasks = [...failedAt].map(
      ([id, at]) => ({ id, cursor: cursorOf({ at, id }), addedAt: 0 }) as TaskInfo,
    );
    const found = tasks.filter((task) => isWithin(positionOf(task), query.failed));
    return inOrder(found, query).slice(0, query.limit);
  }

  async function retry({ id }: TaskInfo): Promise<boolean> {
    if (store.isFull) {
      throw new QueueFullError('default', 1);
    }
    store.retried.push(id);
    clock.block(1);
    failedAt.set(id, clock.now() + skewMs);
    if (store.retried.length > 3 * TASKS) {
      throw new ShutDownError(id); // otherwise it had no end
    }
    return true;
  }

  function retryAll(rate?: number): Promise<number> {
    return new BulkOfFailed(list, retry, clock, rate).run({});
  }
}

it.each([5_000, -5_000])(
  'retryAll() runs no task twice where the clock of the worker is %d ms ahead',
  async (skewMs) => {
    const store = failedTasks(new FakeClock(), skewMs);
    expect(await store.retryAll()).toBe(TASKS);
    expect(store.retried).toHaveLength(TASKS);
  },
);

it('retryAll() does not make up for the time in which the queue was full', async () => {
  const clock = new FakeClock();
  const store = failedTasks(clock);
  const all = store.retryAll(20);
  await clock.advance(10_000);
  expect(store.retried.length).toBeGreaterThanOrEqual(190);
  store.isFull = true;
  await clock.advance(10_000);
  store.isFull = false;
  const { length } = store.retried;
  await clock.advance(1_000);
  expect(store.retried.length - length).toBeLessThanOrEqual(42);
  await clock.advance(60_000);
  expect(await all).toBe(TASKS);
});
