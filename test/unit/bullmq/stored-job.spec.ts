import { describe, expect, it } from '@jest/globals';
import { TaskFailed, TaskRetries, errorIn } from '../../../lib/engine/bullmq/codec/stored-end.js';
import { type StoredEnd, endIn } from '../../../lib/engine/bullmq/codec/stored-end.js';
import { type TaskJob, endOfJob } from '../../../lib/engine/bullmq/codec/stored-job.js';
import { errorText } from '../../../lib/errors/error-text.js';
import { HOSTILE_VALUES } from '../support/hostile-values.js';

const FAILED: StoredEnd = { status: 'failed', attempts: 2, durationMs: 3, error: 'no' };
const DROPPED: StoredEnd = { status: 'dropped', attempts: 0, durationMs: 0, reason: 'duplicate' };

const endedJob = (parts: object): TaskJob => ({ data: {}, attemptsMade: 1, ...parts }) as TaskJob;

describe('the end of a task in a store', () => {
  it.each<[string, StoredEnd]>([
    ['completed at once', { status: 'completed', attempts: 1, durationMs: 1.5 }],
    ['failed', FAILED],
    ['dropped', DROPPED],
    ['cancelled', { status: 'cancelled', attempts: 1, durationMs: 0 }],
  ])('is read as written: %s', (_, end) => {
    expect(endIn(end)).toEqual(end);
    expect(endIn(JSON.stringify(end))).toEqual(end);
  });

  it.each([undefined, null, '', {}, 'null'])('is not found in %j', (written) => {
    expect(endIn(written)).toBeUndefined();
  });

  it('is unknown while the job goes on, and is first looked for in its data', () => {
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
});

describe('the error that BullMQ gets of a failed attempt', () => {
  it('has message, stack and all that is read back of the error', () => {
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

  it('is read as far as possible if BullMQ failed the job by itself', () => {
    for (const stacks of [undefined, null, [], ['stalled'], ['{']]) {
      expect(errorIn('job stalled', stacks)).toMatchObject({ message: 'job stalled' });
    }
  });

  it('has no stack of ours if the thrown value is no error', () => {
    const signal = new TaskFailed('no connection');
    expect([signal.message, signal.stack]).toEqual(['no connection', 'no connection\n{}']);
    expect(new TaskFailed(undefined).message).toBe('undefined');
    expect(new TaskFailed({ stack: 7 }).stack).toBe('[object Object]\n{}');
  });

  it('has no characters that PostgreSQL refuses', () => {
    const error = new Error('a\0b\uD800c😀');
    expect(new TaskFailed(error).message).toBe('a\uFFFDb\uFFFDc😀');
    expect(new TaskFailed(error).stack).not.toMatch(/\0/);
  });

  it.each(HOSTILE_VALUES)('has a text for %s', (_, make) => {
    const { message, stack } = new TaskFailed(make());
    expect([typeof message, typeof stack]).toEqual(['string', 'string']);
    expect(message).not.toBe('');
  });
});
