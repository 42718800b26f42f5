import { describe, expect, it } from '@jest/globals';
import {
  BackgroundTasksError,
  InvalidOptionError,
  RetryLaterError,
  UnrecoverableError,
} from '../../../lib/index.js';

describe('an UnrecoverableError', () => {
  it('carries a message and a cause', () => {
    const cause = new Error('404');
    const error = new UnrecoverableError('There is no such user.', { cause });
    expect(error).toBeInstanceOf(BackgroundTasksError);
    expect(error).toMatchObject({
      name: 'UnrecoverableError',
      code: 'BGT_UNRECOVERABLE',
      message: 'There is no such user.',
      cause,
    });
  });

  it('needs neither', () => {
    expect(new UnrecoverableError().message).toBe('The task cannot succeed.');
  });
});

describe('a RetryLaterError', () => {
  it('carries the wait in milliseconds', () => {
    const error = new RetryLaterError('90s');
    expect(error).toBeInstanceOf(BackgroundTasksError);
    expect(error).toMatchObject({
      name: 'RetryLaterError',
      code: 'BGT_RETRY_LATER',
      delayMs: 90_000,
      message: 'The task asked for its next attempt after 90s.',
    });
  });

  it('may have a message and a cause of its own', () => {
    const cause = { status: 429 };
    const error = new RetryLaterError(5000, 'Too many requests.', { cause });
    expect(error).toMatchObject({ delayMs: 5000, message: 'Too many requests.', cause });
  });

  it.each<[unknown, string]>([
    ['soon', 'soon'],
    [-1, '-1'],
    [Number.NaN, 'NaN'],
    [undefined, 'undefined'],
    [Symbol('soon'), 'Symbol(soon)'],
  ])('refuses %p as its wait', (delay, shown) => {
    const make = () => new RetryLaterError(delay as number);
    expect(make).toThrow(InvalidOptionError);
    expect(make).toThrow(
      'Option "RetryLaterError(delay)": expected milliseconds or a string such as ' +
        `'500ms', '30s', '5m', '2h', '1d', got ${shown}.`,
    );
  });
});
