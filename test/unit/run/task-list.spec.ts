import { describe, expect, it, jest } from '@jest/globals';
import type { Engine, QueueState, SharedStore } from '../../../lib/engine/engine.js';
import type { TaskQuery } from '../../../lib/engine/kept-tasks.js';
import { TaskRecords } from '../../../lib/observe/task-records.js';
import { TaskStats } from '../../../lib/observe/task-stats.js';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import {
  countTasks,
  listTasks,
  type TaskFilter,
  type TaskSources,
} from '../../../lib/run/task-list.js';
import { statisticsOf } from '../../../lib/run/task-statistics.js';
import type { Task } from '../../../lib/task/task.js';
import { bareTask } from '../support/tasks.js';

const OPTIONS = new ResolvedOptions({ queues: { a: {}, b: {} } });

function taskWith(values: Partial<Record<'id' | 'queue' | 'isFromStore', unknown>>): Task {
  const task = bareTask('task');
  for (const [key, value] of Object.entries(values)) {
    Object.defineProperty(task, key, { value });
  }
  return task;
}

/** A store that other processes use, too, where there is one, beside what this process knows of by itself. */
function sources(own: readonly Task[], store?: Partial<SharedStore>): TaskSources {
  const engine = { shared: store, kept: store, tasks: () => own } as unknown as Engine;
  return { engine, requests: { collected: () => [] }, records: new TaskRecords(10) };
}

const stored = (...ids: string[]) => Promise.resolve(ids.map((id) => ({ id }) as never));

/** The ids that are listed, and what the store was asked for. */
const ids = async (own: readonly Task[], limit?: number) => {
  const list = jest.fn<SharedStore['list']>(() => stored('1', '2'));
  const filter = limit === undefined ? {} : { limit };
  const found = await listTasks(filter, sources(own, { list }), OPTIONS);
  return { found: found.map(({ id }) => id), query: list.mock.calls[0]?.[0] };
};

describe('the list of tasks, where other processes have some', () => {
  it('has what the store has, and what only this process has, each once', async () => {
    const own = [taskWith({ id: '2' }), taskWith({ id: '3' })];
    expect((await ids(own)).found).toEqual(['1', '2', '3']);
  });

  it('ends at the limit', async () => {
    const own = [taskWith({ id: '3' }), taskWith({ id: '4' })];
    expect((await ids(own, 3)).found).toEqual(['1', '2', '3']);
  });

  it('knows what was meant by a filter that there is not', async () => {
    const filter = { statu: 'failed' } as TaskFilter;
    await expect(listTasks(filter, sources([]), OPTIONS)).rejects.toThrow(
      'Unknown option "filter.statu". Did you mean "status"?',
    );
  });

  it('says that it is the filter that it does not understand', async () => {
    await expect(listTasks(null as never, sources([]), OPTIONS)).rejects.toThrow(
      'Option "filter": expected a plain object, got null.',
    );
  });

  it('asks the store for what it was asked for itself', async () => {
    const list = jest.fn<SharedStore['list']>(() => stored());
    const filter = { status: 'failed', name: 'send', queue: 'a', limit: 5 } as const;
    await listTasks(filter, sources([], { list }), OPTIONS);
    const failed = { isOldestFirst: false };
    expect(list).toHaveBeenCalledWith(expect.objectContaining({ ...filter, failed }));
    expect((await ids([])).query).toEqual({
      status: undefined,
      name: undefined,
      queue: undefined,
      limit: 100,
    } satisfies TaskQuery);
  });
});

const counts = () =>
  Promise.resolve(
    new Map([
      ['a', { failed: 2, queued: 1 }],
      ['b', { failed: 3, queued: 0 }],
    ]),
  );

describe('the counts of tasks, where other processes have some', () => {
  it('are those of the store, and of what is in no store', async () => {
    const own = [
      // Among those that the store has counted.
      taskWith({ queue: 'a', isFromStore: true }),
      taskWith({ queue: 'b', isFromStore: true }),
      taskWith({ queue: 'a', isFromStore: false }),
      taskWith({ queue: 'other', isFromStore: true }),
    ];
    const found = await countTasks(undefined, sources(own, { counts }));
    expect(found).toMatchObject({ failed: 5, queued: 1, collected: 2, running: 0 });
  });

  it('are those of one queue where they are asked for', async () => {
    const own = ['a', 'a', 'b'].map((queue) => taskWith({ queue, isFromStore: false }));
    const store = { counts: async () => new Map([...(await counts())].slice(0, 1)) };
    const found = await countTasks('a', sources(own, store));
    expect(found).toMatchObject({ failed: 2, collected: 2 });
  });
});

describe('the counts of tasks, where nobody else has any', () => {
  it('are of each status, also of tasks that were read from a file', async () => {
    const own = [true, false].map((isFromStore) => taskWith({ queue: 'a', isFromStore }));
    expect(await countTasks(undefined, sources(own))).toEqual({
      collected: 2,
      queued: 0,
      delayed: 0,
      running: 0,
      retrying: 0,
      completed: 0,
      failed: 0,
      cancelled: 0,
      dropped: 0,
      abandoned: 0,
    });
  });
});

describe('the statistics', () => {
  const STATE: QueueState = {
    queue: 'a',
    running: 4,
    pending: 9,
    oldestAddedAt: 1_000,
    isPaused: false,
  };
  const of = (state: Partial<QueueState>) =>
    statisticsOf(new TaskStats(), [{ ...STATE, ...state }], 5_000).queues['a'];

  it('count what this process has seen', () => {
    expect(of({})).toMatchObject({ running: 0, pending: 0, oldestPendingAgeMs: 4_000 });
    expect(of({ oldestAddedAt: undefined, isPaused: true })).toMatchObject({
      oldestPendingAgeMs: undefined,
      isPaused: true,
    });
  });

  it('take from a shared store what only it can tell', () => {
    expect(of({ isShared: true })).toMatchObject({ running: 4, pending: 9, added: 0 });
  });
});
