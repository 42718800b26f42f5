import { describe, expect, it } from '@jest/globals';
import {
  PutBack,
  TaskFailed,
  TaskRetries,
  errorIn,
} from '../../../lib/engine/bullmq/codec/stored-end.js';
import {
  type StoredEnd,
  endIn,
  endOf,
  outcomeOf,
  verdictOf,
} from '../../../lib/engine/bullmq/codec/stored-end.js';
import {
  type TaskJob,
  endOfJob,
  jobsOf,
  priorityOf,
  storedTaskOf,
} from '../../../lib/engine/bullmq/codec/stored-job.js';
import { errorText } from '../../../lib/errors/error-text.js';
import type { BackgroundOptions } from '../../../lib/task/task-options.js';
import { join } from '../../../lib/task/line.js';
import type { Chain, Task } from '../../../lib/task/task.js';
import { HOSTILE_VALUES } from '../support/hostile-values.js';
import { bareTask } from '../support/tasks.js';

const HOLD_MS = 1_000;
const LINE_HOLD_MS = 3_600_000;

function storedTask(name: string, options: BackgroundOptions = {}, dedupe?: string): Task {
  const keys = dedupe === undefined ? undefined : { dedupe };
  const task = bareTask(name, undefined, { options, keys });
  task.stored = { name } as unknown as Task['stored'];
  return task;
}

const linkOf = (name: string) => ({ queue: 'default', id: `id of ${name}` });

const jobs = (lines: Task[][], heldMs?: number) => jobsOf(lines, 'process', heldMs);

/** Whether each claims its key as it is stored, and whether later. */
const keys = (lines: Task[][], heldMs?: number) =>
  jobs(lines, heldMs).map(({ data, options }) => [
    options.deduplication?.id !== undefined,
    data.dedupe !== undefined,
  ]);

describe('the jobs of a line', () => {
  it('are linked, the head held for the response and the others for their turn', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => storedTask(name));
    const made = jobs([[a, b, c]], HOLD_MS);
    expect(made.map(({ options }) => options)).toEqual([
      { delay: HOLD_MS, priority: 1 },
      { delay: LINE_HOLD_MS, priority: 1 },
      { delay: LINE_HOLD_MS, priority: 1 },
    ]);
    expect(made.map(({ data: { next, prior, needs } }) => ({ next, prior, needs }))).toEqual([
      { next: linkOf('b'), prior: undefined, needs: undefined },
      { next: linkOf('c'), prior: linkOf('a'), needs: undefined },
      { next: undefined, prior: linkOf('b'), needs: undefined },
    ]);
  });

  it('start at once where nothing holds them, or after their delay', () => {
    const made = jobs([[storedTask('a')], [storedTask('b', { delay: 50 })]]);
    expect(made.map(({ options: { delay } }) => delay)).toEqual([undefined, 50]);
    expect(made.map(({ data: { delayMs } }) => delayMs)).toEqual([undefined, 50]);
  });

  it('D24: claim their dedupe keys as they are stored only where nothing holds them', () => {
    const unique = () => storedTask('unique', {}, 'key');
    expect(keys([[unique()]])).toEqual([[true, false]]);
    expect(keys([[unique()]], HOLD_MS)).toEqual([[false, true]]);
    expect(keys([[storedTask('head'), unique()]])[1]).toEqual([false, true]);
  });

  it('need those before them in their chain, also one that was stored before', () => {
    const chain: Chain = {};
    const [first, between, second] = [storedTask('1'), storedTask('x'), storedTask('2')];
    join(chain, first);
    join(chain, second);
    expect(jobs([[first, between, second]]).map(({ data }) => data.needs)).toEqual([
      undefined,
      undefined,
      linkOf('1'),
    ]);
    second.prior = first;
    const [late] = jobs([[second]], HOLD_MS);
    expect(late?.data).toMatchObject({ needs: linkOf('1'), prior: linkOf('1'), isInChain: true });
    expect(late?.options.delay).toBe(5_000);
    const other = storedTask('other');
    join({}, other);
    other.prior = first;
    expect(jobs([[other]], HOLD_MS)[0]?.data.needs).toBeUndefined();
  });

  it('have the priority of their task, and its attempts where there are several', () => {
    const high = storedTask('a', { priority: 'high', retry: { attempts: 4 } });
    const [job] = jobs([[high]]);
    expect([job?.options.priority, job?.data.maxAttempts]).toEqual([undefined, 4]);
    expect([0, 1, 2, 7].map((priority) => priorityOf({ priority }))).toEqual([
      'high',
      'normal',
      'low',
      'normal',
    ]);
  });

  it('tell when they were added as other tasks do: in whole milliseconds that are over', () => {
    const task = bareTask('a', undefined, { addedAt: 5.75 });
    task.stored = { name: 'a' } as unknown as Task['stored'];
    expect(jobs([[task]])[0]?.data.addedAt).toBe(5);
  });

  it('are not made of a task that was not written down', () => {
    expect(() => jobs([[bareTask('a')]])).toThrow('"a" was not written down');
  });
});

describe('a job that is read', () => {
  it('is the task that was stored', () => {
    const data = { call: '{"args":"[]"}', addedAt: 5 };
    const job = { id: 'id', name: 'send', data, attemptsMade: 2 } as unknown as TaskJob;
    const stored = { name: 'send', call: { args: '[]' }, addedAt: 5, attempts: 2 };
    expect(storedTaskOf(job)).toEqual({ id: 'id', ...stored });
  });

  it.each([
    [{ status: 'completed' }, { status: 'completed', attempts: 2, durationMs: 7 }],
    [
      { status: 'failed', error: 'no' },
      { status: 'failed', attempts: 2, durationMs: 7, error: new Error('no') },
    ],
    [{ status: 'cancelled' }, { status: 'cancelled', attempts: 2 }],
    [{ status: 'dropped' }, { status: 'dropped', reason: 'predecessor-failed' }],
    [
      { status: 'dropped', reason: 'handler-failed' },
      { status: 'dropped', reason: 'handler-failed' },
    ],
  ] as const)('with the end %j has come to %j', (end, outcome) => {
    expect(outcomeOf({ attempts: 2, durationMs: 7, ...end })).toEqual(outcome);
  });
});

const FAILED: StoredEnd = { status: 'failed', attempts: 2, durationMs: 3, error: 'no' };
const DROPPED: StoredEnd = { status: 'dropped', attempts: 0, durationMs: 0, reason: 'duplicate' };

const endedTask = (startedAt?: number) => ({ attempts: 1, startedAt }) as unknown as Task;
const endedJob = (parts: object): TaskJob => ({ data: {}, attemptsMade: 1, ...parts }) as TaskJob;

describe('how a task ended, in a store', () => {
  it.each<[string, StoredEnd]>([
    ['completed at once', { status: 'completed', attempts: 1, durationMs: 1.5 }],
    ['completed later', { status: 'completed', attempts: 2, durationMs: 1 }],
    ['failed', FAILED],
    ['dropped', DROPPED],
    ['cancelled', { status: 'cancelled', attempts: 1, durationMs: 0 }],
  ])('is read as it was written: %s', (_, end) => {
    expect(endIn(end)).toEqual(end);
    expect(endIn(JSON.stringify(end))).toEqual(end);
  });

  it.each([undefined, null, '', {}, 'null'])('is not to be read in %j', (written) => {
    expect(endIn(written)).toBeUndefined();
  });

  it('takes no time where nothing has begun, and is told to the microsecond', () => {
    expect(endOf(endedTask(), { kind: 'cancelled' }, 9).durationMs).toBe(0);
    expect(endOf(endedTask(1), { kind: 'completed' }, 2.123_456_7).durationMs).toBe(1.123);
  });

  it('is not that of a job that goes on, and is in its data before anywhere else', () => {
    expect(endOfJob(endedJob({}))).toBeUndefined();
    expect(endOfJob(endedJob({ finishedOn: null }))).toBeUndefined();
    const written = { finishedOn: 1, returnvalue: DROPPED };
    expect(endOfJob(endedJob({ ...written, data: { end: FAILED } }))).toBe(FAILED);
    expect(endOfJob(endedJob(written))).toBe(DROPPED);
    expect(endOfJob(endedJob({ finishedOn: 1, failedReason: 'lost' }))).toEqual({
      status: 'failed',
      attempts: 1,
      durationMs: 0,
      error: 'lost',
    });
  });

  it('is a verdict, and an outcome, again', () => {
    const { reason: _, ...unexplained } = DROPPED;
    expect(verdictOf(FAILED)).toMatchObject({ kind: 'failed', error: { message: 'no' } });
    expect(outcomeOf(FAILED)).toMatchObject({ status: 'failed', error: { message: 'no' } });
    expect([verdictOf(DROPPED), verdictOf(unexplained)]).toEqual([
      { kind: 'dropped', reason: 'duplicate' },
      { kind: 'dropped', reason: 'predecessor-failed' },
    ]);
    expect([outcomeOf(DROPPED), outcomeOf(unexplained)]).toEqual([
      { status: 'dropped', reason: 'duplicate' },
      { status: 'dropped', reason: 'predecessor-failed' },
    ]);
    const cancelled: StoredEnd = { status: 'cancelled', attempts: 1, durationMs: 0 };
    expect(verdictOf(cancelled)).toEqual({ kind: 'cancelled' });
    expect(outcomeOf(cancelled)).toEqual({ status: 'cancelled', attempts: 1 });
  });
});

describe('what BullMQ is told of a failed attempt', () => {
  it('is its message, its stack, and what is read back of the error', () => {
    const cause = new Error('no room');
    const error = Object.assign(new RangeError('too much', { cause }), {
      code: 'E',
      token: 'secret',
    });
    const { message, stack = '', delayMs } = new TaskRetries(error, 50);
    expect([message, delayMs]).toEqual(['too much', 50]);
    expect(stack).not.toContain('secret');
    expect(errorIn(message, ['an earlier one', stack])).toEqual(errorText(error));
  });

  it('is read as far as there is something, where BullMQ has failed the job by itself', () => {
    for (const stacks of [undefined, null, [], ['stalled'], ['{']]) {
      expect(errorIn('job stalled', stacks)).toMatchObject({ message: 'job stalled' });
    }
  });

  it('is the name of an error without a message', () => {
    expect(new TaskFailed(new RangeError()).message).toBe('RangeError');
  });

  it('is what was thrown, where that is no error, and no stack of ours', () => {
    const signal = new TaskFailed('no connection');
    expect([signal.message, signal.stack]).toEqual(['no connection', 'no connection\n{}']);
    expect(new TaskFailed(undefined).message).toBe('undefined');
    expect(new TaskFailed({ stack: 7 }).stack).toBe('[object Object]\n{}');
  });

  it('has nothing in it that PostgreSQL does not take', () => {
    const error = new Error('a\0b\uD800c😀');
    expect(new TaskFailed(error).message).toBe('a\uFFFDb\uFFFDc😀');
    expect(new TaskFailed(error).stack).not.toMatch(/\0/);
  });

  it.each(HOSTILE_VALUES)('is something where %s is thrown', (_, make) => {
    const { message, stack } = new TaskFailed(make());
    expect([typeof message, typeof stack]).toEqual(['string', 'string']);
    expect(message).not.toBe('');
  });

  it('has the name that BullMQ looks for where the job was put back', () => {
    expect(new PutBack('DelayedError')).toMatchObject({ name: 'DelayedError' });
  });
});
