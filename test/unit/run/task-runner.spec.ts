import { describe, expect, it, jest } from '@jest/globals';
import type { Engine, SharedStore } from '../../../lib/engine/engine.js';
import type { TaskInfo } from '../../../lib/task/task-info.js';
import type { TaskEvents } from '../../../lib/observe/task-events.js';
import { TaskRecords } from '../../../lib/observe/task-records.js';
import { TaskStats } from '../../../lib/observe/task-stats.js';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import { AttemptHooks } from '../../../lib/run/attempt-hooks.js';
import { TaskRunner } from '../../../lib/run/task-runner.js';
import type { Task } from '../../../lib/task/task.js';
import { FakeClock } from '../support/fake-clock.js';
import { createKit } from '../support/kit.js';
import { bareTask } from '../support/tasks.js';

const VIEW = { id: 'stored', status: 'completed' } as TaskInfo;

type Intake = ConstructorParameters<typeof TaskRunner>[0];

/** A runner before an engine of which a test names the parts, and before a store if it has one. */
function runnerOf(parts: Partial<Engine>, store?: Partial<SharedStore>) {
  const records = new TaskRecords(10);
  const again = jest.fn((task: Task) => ({ again: task.name }));
  const intake = { again } as unknown as Intake;
  const engine = { ...parts, shared: store, kept: store } as unknown as Engine;
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
    const find = jest.fn<SharedStore['find']>(() => Promise.resolve(VIEW));
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
    const forget = jest.fn<SharedStore['forget']>(() => Promise.resolve(there));
    const { runner, records } = runnerOf({}, { forget });
    const id = here ? known(records, 'completed').id : 'elsewhere';
    expect(await runner.forget(id)).toBe(expected);
    expect(forget).toHaveBeenCalledWith(id);
    expect(records.get(id)).toBeUndefined();
  });

  it('cancels here what is here, and there what is not', async () => {
    const cancel = jest.fn<Engine['cancel']>(() => true);
    const elsewhere = jest.fn<SharedStore['cancel']>(() => Promise.resolve(true));
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

  it('asks the store of its queue what became of a task that came from one', async () => {
    const find = jest.fn<SharedStore['find']>(() => Promise.resolve(undefined));
    const retry = jest.fn<SharedStore['retry']>(() => Promise.resolve(undefined));
    const { runner, records } = runnerOf({}, { find, retry });
    const failed = known(records, 'failed');
    failed.isFromStore = true;
    expect(await runner.retry(failed.id)).toEqual({ again: 'task' });
    expect(retry).toHaveBeenCalledWith(failed.id, 'default');
    expect(find).toHaveBeenCalledWith(failed.id, 'default');
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

  it('reaches its engine where that needs nothing to be reached', async () => {
    await expect(runnerOf({ ping: () => undefined }).runner.ping()).resolves.toBeUndefined();
    const { runner } = runnerOf({ ping: () => Promise.reject(new Error('gone')) });
    await expect(runner.ping()).rejects.toThrow('gone');
  });
});
