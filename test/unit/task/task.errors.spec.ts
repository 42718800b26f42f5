import { describe, expect, it } from '@jest/globals';
import { thrower } from '../support/hostile-values.js';
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

  it('O16: keeps message and cause where it refuses its wait', () => {
    const cause = new Error('429');
    const make = () => new RetryLaterError(Number.NaN, 'Too many requests.', { cause });
    expect(make).toThrow(/got NaN.*What was to be said: Too many requests\.$/);
    expect(make).toThrow(expect.objectContaining({ cause }));
  });

  describe('O16: after()', () => {
    const inAMinute = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 60_000);

    it.each<[string, unknown, number]>([
      ['seconds', '120', 120_000],
      ['seconds as a number', 120, 120_000],
      ['fetch()', new Response('', { headers: { 'Retry-After': '7' } }), 7_000],
      ['its headers', new Headers({ 'retry-after': '7' }), 7_000],
      ['axios', { status: 429, headers: { 'retry-after': '7' } }, 7_000],
      ['any case', { headers: { 'Retry-After': ['7', '8'] } }, 7_000],
    ])('waits as long as %s says', (_, from, delayMs) => {
      expect(RetryLaterError.after(from as object)).toMatchObject({
        delayMs,
        message: `The service asked for its next attempt after ${delayMs / 1_000} s.`,
      });
    });

    it.each<[string, unknown]>([
      ['a date', inAMinute],
      ['a date in a header', inAMinute.toUTCString()],
      ['a date in a response', { headers: { 'retry-after': inAMinute.toUTCString() } }],
    ])('waits until %s', (_, from) => {
      const { delayMs = 0 } = RetryLaterError.after(from as object);
      expect(Date.now() + delayMs).toBeLessThanOrEqual(inAMinute.getTime() + 1);
      expect(delayMs).toBeGreaterThan(0);
    });

    it.each<[string, unknown]>([
      ['nothing', undefined],
      ['no header', new Response('')],
      ['an empty one', ''],
      ['no headers', {}],
      ['null', null],
      ['zero', '0'],
      ['a negative number', -5],
      ['NaN', Number.NaN],
      ['a date that is past', new Date(0)],
      ['no date', new Date(Number.NaN)],
      ['a text', 'soon'],
      ['a symbol', { headers: { 'retry-after': Symbol('soon') } }],
      ['what throws', thrower()],
    ])('leaves the wait to the policy where there is %s, and says so', (_, from) => {
      expect(RetryLaterError.after(from as object)).toMatchObject({
        delayMs: undefined,
        message: 'The service did not say when to try again: the retry policy does.',
      });
    });

    it.each<[string, unknown]>([
      ['a number', 9e15],
      ['a date', new Date(8.64e15)],
      ['infinity', Number.POSITIVE_INFINITY],
    ])('waits no longer than a day for %s, and says so', (_, from) => {
      const error = RetryLaterError.after(from as number);
      expect(error.delayMs).toBe(86_400_000);
      expect(error.message).toMatch(/ s; it follows after a day\.$/);
    });

    it('has the message, the cause and the option that it is given', () => {
      const cause = new Error('429');
      const error = RetryLaterError.after('7', 'Too many.', { cause, usesAttempt: false });
      expect(error).toMatchObject({ message: 'Too many.', cause, usesAttempt: false });
    });
  });
});
