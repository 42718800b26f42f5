import { describe, expect, it } from '@jest/globals';
import { inOrder, isWithin } from '../../../lib/engine/kept-tasks.js';
import { ShutDownError } from '../../../lib/errors/misuse.errors.js';
import { QueueFullError } from '../../../lib/errors/queue-full.error.js';
import { BulkOfFailed } from '../../../lib/run/bulk-of-failed.js';
import type { TaskRunner } from '../../../lib/index.js';
import type { FailedTasksQuery } from '../../../lib/run/task-list.js';
import { cursorOf, positionOf } from '../../../lib/task/position.js';
import type { TaskInfo } from '../../../lib/task/task-info.js';
import { FakeClock } from '../support/fake-clock.js';
import { createKit } from '../support/kit.js';

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
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 10) {
      await clock.advance(10);
    }
  };
  const all = store.retryAll(20);
  await pass(10_000);
  expect(store.retried.length).toBeGreaterThanOrEqual(190);
  store.isFull = true;
  await pass(10_000);
  store.isFull = false;
  const { length } = store.retried;
  await pass(1_000);
  expect(store.retried.length - length).toBeLessThanOrEqual(42);
  await pass(60_000);
  expect(await all).toBe(TASKS);
});

describe('thousands of failed tasks in memory', () => {
  const COUNT = 1_200;
  let reads = 0;

  async function failed() {
    const kit = createKit({ remember: COUNT });
    const error = Object.defineProperty(new Error(), 'message', {
      get: () => `no ${(reads += 1)}`,
    });
    for (let count = 0; count < COUNT; count += 1) {
      kit.runner.addTask(() => Promise.reject(error));
    }
    await kit.clock.advance(1);
    reads = 0;
    return kit.runner;
  }

  it('are described only where they are on the page', async () => {
    const runner = await failed();
    expect(await runner.list({ status: 'failed', limit: 5 })).toHaveLength(5);
    expect(reads).toBeLessThan(50);
  });

  it.each<[string, (runner: TaskRunner) => Promise<unknown>]>([
    ['looked through', (runner) => runner.list({ status: 'failed', error: 'yes' })],
    ['run again', (runner) => runner.retryAll()],
    ['forgotten', (runner) => runner.forgetAll()],
  ])('P12: leave the event loop its turns while they are %s', async (_what, act) => {
    const runner = await failed();
    let turns = 0;
    let next = setImmediate(function turn() {
      turns += 1;
      next = setImmediate(turn);
    });
    await act(runner);
    clearImmediate(next);
    expect(turns).toBeGreaterThanOrEqual(2);
  });
});
