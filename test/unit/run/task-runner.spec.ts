import { describe, expect, it, jest } from '@jest/globals';
import type { Engine, QueueState } from '../../../lib/engine/engine.js';
import type { KeptTasks, TaskQuery } from '../../../lib/engine/kept-tasks.js';
import type { TaskEvents } from '../../../lib/observe/task-events.js';
import { TaskRecords } from '../../../lib/observe/task-records.js';
import { TaskStats } from '../../../lib/observe/task-stats.js';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import { AttemptHooks } from '../../../lib/run/attempt-hooks.js';
import { type TaskSources, countTasks, listTasks } from '../../../lib/run/task-list.js';
import { TaskRunner } from '../../../lib/run/task-runner.js';
import { statisticsOf } from '../../../lib/run/task-statistics.js';
import type { TaskInfo } from '../../../lib/task/task-info.js';
import type { Task } from '../../../lib/task/task.js';
import { FakeClock } from '../support/fake-clock.js';
import { createKit } from '../support/kit.js';
import { bareTask } from '../support/tasks.js';

const VIEW = { id: 'stored', status: 'completed' } as TaskInfo;

type Intake = ConstructorParameters<typeof TaskRunner>[0];

/** A runner before an engine of which a test names the parts, and before a store if it has one. */
function runnerOf(parts: Partial<Engine>, store?: Partial<KeptTasks>) {
  const records = new TaskRecords(10);
  const again = jest.fn((task: Task) => ({ again: task.name }));
  const intake = { again } as unknown as Intake;
  const engine = { ...parts, kept: store } as unknown as Engine;
  const runner = new TaskRunner(
    intake,
    engine,
    new ResolvedOptions({}),
    records,
    new TaskStats(),
    new FakeClock(),
    { stream: undefined } as unknown as TaskEvents,
    new AttemptHooks(() => undefined),
    { collected: () => [] },
    undefined as never,
  );
  return { runner, records, again, intake };
}

/** A task that the runner knows. */
function known(records: TaskRecords, status?: 'failed' | 'completed'): Task {
  const task = bareTask('task');
  records.index(task.id, task);
  if (status !== undefined) {
    task.isOver = true;
    task.status = status;
    const ended = { attempts: 1, durationMs: 0 };
    task.settle(status === 'failed' ? { status, error: 'no', ...ended } : { status, ...ended });
    records.remember(task);
  }
  return task;
}

const gone = (): Promise<never> => Promise.reject(new Error('gone'));

describe('the runner before a store that other processes use, too', () => {
  it('shows a task of its own as it stands here, until it is over', async () => {
    const find = jest.fn<KeptTasks['find']>(() => Promise.resolve(VIEW));
    const { runner, records } = runnerOf({}, { find });
    const task = known(records);
    expect(await runner.get(task.id)).toMatchObject({ id: task.id, name: 'task' });
    expect(find).not.toHaveBeenCalled();
    task.isOver = true;
    expect(await runner.get(task.id)).toBe(VIEW);
    expect(await runner.get('elsewhere')).toBe(VIEW);
    expect(find.mock.calls).toEqual([
      [task.id, 'default'],
      ['elsewhere', undefined],
    ]);
  });

  it('shows what it remembers where the store has forgotten', async () => {
    const { runner, records } = runnerOf({}, { find: () => Promise.resolve(undefined) });
    const task = known(records, 'completed');
    expect(await runner.get(task.id)).toMatchObject({ status: 'completed' });
    expect(await runner.get('nobody')).toBeUndefined();
  });

  it.each([
    [true, true, true],
    [true, false, true],
    [false, true, true],
    [false, false, false],
  ])('forgets here (%p) and there (%p): %p', async (here, there, expected) => {
    const forget = jest.fn<KeptTasks['forget']>(() => Promise.resolve(there));
    const { runner, records } = runnerOf({}, { forget });
    const id = here ? known(records, 'completed').id : 'elsewhere';
    expect(await runner.forget(id)).toBe(expected);
    expect(forget).toHaveBeenCalledWith(id);
    expect(records.get(id)).toBeUndefined();
  });

  it('cancels here what is here, and there what is not', async () => {
    const cancel = jest.fn<Engine['cancel']>(() => true);
    const elsewhere = jest.fn<Required<KeptTasks>['cancel']>(() => Promise.resolve(true));
    const { runner, records } = runnerOf({ cancel }, { cancel: elsewhere });
    const task = known(records);
    expect(await runner.cancel(task.id)).toBe(true);
    expect(elsewhere).not.toHaveBeenCalled();
    task.isOver = true;
    expect(await runner.cancel(task.id)).toBe(true);
    expect(await runner.cancel('elsewhere')).toBe(true);
    expect(cancel).toHaveBeenCalledTimes(1);
    expect(elsewhere.mock.calls).toEqual([[task.id], ['elsewhere']]);
  });

  it('retries what the store has, else what it remembers', async () => {
    const stored = bareTask('stored');
    const retry = (id: string) => Promise.resolve(id === 'elsewhere' ? stored : undefined);
    const { runner, records, again } = runnerOf({}, { retry });
    expect((await runner.retry('elsewhere'))?.name).toBe('stored');
    const failed = known(records, 'failed');
    expect(await runner.retry(failed.id)).toEqual({ again: 'task' });
    expect(again).toHaveBeenCalledWith(failed);
    expect(await runner.retry('nobody')).toBeUndefined();
  });

  it('asks no store for a task that none ever had: it may not be there', async () => {
    const { runner, records } = runnerOf({}, { find: gone, retry: gone });
    const failed = known(records, 'failed');
    expect(await runner.get(failed.id)).toMatchObject({ status: 'failed' });
    expect(await runner.retry(failed.id)).toEqual({ again: 'task' });
    await expect(runner.get('elsewhere')).rejects.toThrow('gone');
    await expect(runner.retry('elsewhere')).rejects.toThrow('gone');
  });
});

describe('the runner before engines that keep tasks to themselves', () => {
  it('forgets what has settled, once, and nothing else', async () => {
    const { runner, clock } = createKit();
    const done = runner.addTask(() => undefined);
    await clock.settle();
    const waiting = runner.addTask({ delay: '1h' }, () => undefined);
    expect(await runner.forget(done.id)).toBe(true);
    expect(await runner.get(done.id)).toBeUndefined();
    expect(await runner.list({ status: 'completed' })).toEqual([]);
    expect(await runner.forget(done.id)).toBe(false);
    expect(await runner.forget(waiting.id)).toBe(false);
    expect(await runner.forget('nobody')).toBe(false);
    expect(waiting.status).toBe('delayed');
  });
});

const OPTIONS = new ResolvedOptions({ queues: { a: {}, b: {} } });

function taskWith(values: Partial<Record<'id' | 'queue' | 'isFromStore', unknown>>): Task {
  const task = bareTask('task');
  for (const [key, value] of Object.entries(values)) {
    Object.defineProperty(task, key, { value });
  }
  return task;
}

/** A store that other processes use, too, where there is one, beside what this process knows of by itself. */
function sources(own: readonly Task[], store?: Partial<KeptTasks>): TaskSources {
  const engine = {
    kept: store && { cancel: () => Promise.resolve(false), ...store },
    tasks: () => own,
  } as unknown as Engine;
  return { engine, requests: { collected: () => [] }, records: new TaskRecords(10) };
}

const stored = (...ids: string[]) => Promise.resolve(ids.map((id) => ({ id }) as never));

/** The ids that are listed, and what the store was asked for. */
const ids = async (own: readonly Task[], limit?: number) => {
  const list = jest.fn<KeptTasks['list']>(() => stored('1', '2'));
  const filter = limit === undefined ? {} : { limit };
  const found = await listTasks(filter, sources(own, { list }), OPTIONS);
  return { found: found.map(({ id }) => id), query: list.mock.calls[0]?.[0] };
};

describe('the list of tasks, where other processes have some', () => {
  it('has what the store has, and what only this process has, each once', async () => {
    const own = [taskWith({ id: '2' }), taskWith({ id: '3' })];
    expect((await ids(own)).found).toEqual(['1', '2', '3']);
  });

  it('asks the store for what it was asked for itself', async () => {
    const list = jest.fn<KeptTasks['list']>(() => stored());
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
