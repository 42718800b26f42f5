import { describe, expect, it } from '@jest/globals';
import { PutBack, TaskFailed, TaskRetries } from '../../../lib/engine/bullmq/codec/job-signals.js';
import { HOSTILE_VALUES } from '../support/hostile-values.js';

describe('what BullMQ is told of a failed attempt', () => {
  it('is the message and the stack of the error', () => {
    const error = new RangeError('too much');
    const signal = new TaskRetries(error, 50);
    expect([signal.message, signal.stack, signal.delayMs]).toEqual(['too much', error.stack, 50]);
  });

  it('is the name of an error without a message', () => {
    expect(new TaskFailed(new RangeError()).message).toBe('RangeError');
  });

  it('is what was thrown, where that is no error, and no stack of ours', () => {
    const signal = new TaskFailed('no connection');
    expect([signal.message, signal.stack]).toEqual(['no connection', 'no connection']);
    expect(new TaskFailed(undefined).message).toBe('undefined');
    expect(new TaskFailed({ stack: 7 }).stack).toBe('[object Object]');
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
