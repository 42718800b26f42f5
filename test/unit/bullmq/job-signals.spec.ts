import { describe, expect, it } from '@jest/globals';
import {
  errorIn,
  PutBack,
  TaskFailed,
  TaskRetries,
} from '../../../lib/engine/bullmq/codec/job-signals.js';
import { errorText } from '../../../lib/errors/error-text.js';
import { HOSTILE_VALUES } from '../support/hostile-values.js';

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
