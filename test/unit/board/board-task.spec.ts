import { describe, expect, it } from '@jest/globals';
import { BoardTask } from '../../../lib/board/board-task.js';
import type { Outcome, TaskInfo, TaskRunner, TaskStatus } from '../../../lib/index.js';

/** A runner that knows none of the tasks it is asked about. */
const nobody = {
  forget: () => Promise.resolve(false),
  cancel: () => Promise.resolve(false),
  retry: () => Promise.resolve(undefined),
} as unknown as TaskRunner;

const INFO: TaskInfo = {
  id: 'id',
  name: 'send',
  queue: 'default',
  status: 'queued',
  priority: 'normal',
  args: [],
  attempts: 0,
  maxAttempts: 3,
  addedAt: 1_000,
  startedAt: undefined,
  settledAt: undefined,
  cursor: undefined,
  progress: undefined,
  result: undefined,
  logs: [],
  outcome: undefined,
};

const taskWith = (info: Partial<TaskInfo>, runner = nobody): BoardTask =>
  new BoardTask({ ...INFO, ...info }, runner, ({ args }) => args);

const settled = (outcome: Outcome): BoardTask => taskWith({ status: outcome.status, outcome });

describe('a task on the board', () => {
  it.each<[TaskStatus, string]>([
    ['collected', 'waiting'],
    ['queued', 'waiting'],
    ['delayed', 'delayed'],
    ['retrying', 'delayed'],
    ['running', 'active'],
    ['completed', 'completed'],
    ['failed', 'failed'],
    ['cancelled', 'failed'],
    ['dropped', 'failed'],
    ['abandoned', 'failed'],
  ])('that is %s is listed as %s', async (status, state) => {
    expect(await taskWith({ status }).getState()).toBe(state);
  });

  it('that waits has no times but that of its being added', () => {
    expect(taskWith({}).toJSON()).toMatchObject({
      timestamp: 1_000,
      processedOn: null,
      finishedOn: null,
      failedReason: '',
      stacktrace: [],
      progress: 0,
      opts: { attempts: 3, priority: 'normal' },
    });
  });

  it('that has ended says when', () => {
    const outcome: Outcome = { status: 'completed', attempts: 1, durationMs: 10.2 };
    const task = taskWith({ status: 'completed', startedAt: 2_000, outcome });
    expect(task.toJSON()).toMatchObject({ processedOn: 2_000, finishedOn: 2_010 });
  });

  it('that was cancelled while it ran ended, as far as anybody knows, when it had started', () => {
    const outcome: Outcome = { status: 'cancelled', attempts: 1 };
    const task = taskWith({ status: 'cancelled', startedAt: 2_000, outcome });
    expect(task.toJSON()).toMatchObject({ finishedOn: 2_000 });
  });

  it.each<[Outcome, string]>([
    [{ status: 'completed', attempts: 1, durationMs: 1 }, ''],
    [{ status: 'failed', attempts: 1, durationMs: 1, error: new TypeError('no') }, 'TypeError: no'],
    [{ status: 'failed', attempts: 1, durationMs: 1, error: 'no' }, 'no'],
    [{ status: 'failed', attempts: 1, durationMs: 1, error: '' }, 'It failed.'],
    [
      { status: 'failed', attempts: 1, durationMs: 1, error: Object.create(null) },
      '[object Object]',
    ],
    [{ status: 'cancelled', attempts: 0 }, 'It was cancelled.'],
    [
      { status: 'abandoned', attempts: 0 },
      'It was abandoned: the application shut down before it ended.',
    ],
    [{ status: 'dropped', reason: 'overflow' }, 'It was dropped: overflow.'],
  ])('with the outcome %j says why: %s', (outcome, reason) => {
    expect(settled(outcome).toJSON().failedReason).toBe(reason);
  });

  it('shows a stack, and none of an error that hides it', () => {
    const error = new Error('no');
    const shown = settled({ status: 'failed', attempts: 1, durationMs: 1, error }).toJSON();
    expect(shown.stacktrace).toEqual([error.stack]);
    const hostile = Object.defineProperty(new Error('no'), 'stack', {
      get: () => {
        throw new Error('do not look');
      },
    });
    const hidden = settled({ status: 'failed', attempts: 1, durationMs: 1, error: hostile });
    expect(hidden.toJSON().stacktrace).toEqual([]);
  });

  it('O11: shows every character of a name and of an error, wherever they come from', () => {
    const forged = 'a\nb\u001b[2J\u202e redis://u:pw@host';
    const shown = 'a\\nb\\x1b[2J\\u202e redis://***@host';
    const outcome: Outcome = {
      status: 'failed',
      attempts: 1,
      durationMs: 1,
      error: new Error(forged),
    };
    const job = taskWith({ name: forged, status: 'failed', outcome }).toJSON();
    expect([job.name, job.failedReason]).toEqual([shown, `Error: ${shown}`]);
  });

  it('shows what its body last said of its progress', () => {
    expect(taskWith({ progress: 30 }).toJSON().progress).toBe(30);
    expect(taskWith({ progress: { done: 1 } }).toJSON().progress).toEqual({ done: 1 });
  });

  it('can be removed where it can be forgotten or cancelled', async () => {
    const calls: string[] = [];
    const runner = {
      forget: (id: string) => Promise.resolve(calls.push(`forget ${id}`) === 1),
    } as unknown as TaskRunner;
    await taskWith({}, runner).remove();
    expect(calls).toEqual(['forget id']);
    await expect(taskWith({}).remove()).rejects.toThrow(/cannot be stopped alone/);
  });

  it('can be retried only if it failed, and promoted never', async () => {
    await expect(taskWith({ status: 'completed' }).retry()).rejects.toThrow(
      /Only a failed task can be retried; this one was completed/,
    );
    await expect(taskWith({}).promote()).rejects.toThrow(/when it is due/);
  });
});
