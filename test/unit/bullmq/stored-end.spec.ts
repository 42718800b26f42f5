import { describe, expect, it } from '@jest/globals';
import {
  endIn,
  endOf,
  outcomeOf,
  verdictOf,
  writtenEndOf,
  type StoredEnd,
} from '../../../lib/engine/bullmq/codec/stored-end.js';
import { endOfJob, type TaskJob } from '../../../lib/engine/bullmq/codec/stored-job.js';
import type { Task } from '../../../lib/task/task.js';

const FAILED: StoredEnd = { status: 'failed', attempts: 2, durationMs: 3, error: 'no' };
const DROPPED: StoredEnd = { status: 'dropped', attempts: 0, durationMs: 0, reason: 'duplicate' };

const task = (startedAt?: number) => ({ attempts: 1, startedAt }) as unknown as Task;
const job = (parts: object): TaskJob => ({ data: {}, attemptsMade: 1, ...parts }) as TaskJob;

describe('how a task ended, in a store', () => {
  it.each<[string, StoredEnd]>([
    ['completed at once', { status: 'completed', attempts: 1, durationMs: 1.5 }],
    ['completed later', { status: 'completed', attempts: 2, durationMs: 1 }],
    ['failed', FAILED],
    ['dropped', DROPPED],
    ['cancelled', { status: 'cancelled', attempts: 1, durationMs: 0 }],
  ])('is read as it was written: %s', (_, end) => {
    const written = writtenEndOf(end);
    expect(endIn(written)).toEqual(end);
    expect(endIn(JSON.stringify(written))).toEqual(end);
  });

  it.each([undefined, null, '', {}, 'null'])('is not to be read in %j', (written) => {
    expect(endIn(written)).toBeUndefined();
  });

  it('takes no time where nothing has begun, and is told to the microsecond', () => {
    expect(endOf(task(), { kind: 'cancelled' }, 9).durationMs).toBe(0);
    expect(endOf(task(1), { kind: 'completed' }, 2.123_456_7).durationMs).toBe(1.123);
  });

  it('is not that of a job that goes on, and is in its data before anywhere else', () => {
    expect(endOfJob(job({}))).toBeUndefined();
    expect(endOfJob(job({ finishedOn: null }))).toBeUndefined();
    expect(endOfJob(job({ finishedOn: 1, returnvalue: 7, data: { end: FAILED } }))).toBe(FAILED);
    expect(endOfJob(job({ finishedOn: 1, returnvalue: 7 }))).toMatchObject({ durationMs: 7 });
    expect(endOfJob(job({ finishedOn: 1, failedReason: 'lost' }))).toEqual({
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
