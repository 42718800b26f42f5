import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { HttpException } from '@nestjs/common';
import { requirePeer } from '../../../lib/errors/require-peer.js';
import * as library from '../../../lib/index.js';
import {
  BackgroundTasksError,
  InvalidOptionError,
  RetryLaterError,
  StoreUnavailableError,
} from '../../../lib/index.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { thrower } from '../support/hostile-values.js';

const isError = (value: unknown): boolean =>
  typeof value === 'function' && value !== BackgroundTasksError && value.prototype instanceof Error;

describe('the public errors', () => {
  type ErrorClass = new (...args: unknown[]) => InstanceType<typeof BackgroundTasksError>;
  const classes = library as unknown as Record<string, ErrorClass>;

  /** Of each its code, which programs switch on, so that none ever changes, and arguments to make one. */
  const ERRORS: Record<string, [code: string, ...args: unknown[]]> = {
    AmbiguousTaskError: ['BGT_AMBIGUOUS_TASK', 'A.run', ['A.run', 'B.run']],
    BackgroundMethodError: ['BGT_BACKGROUND_METHOD', 'A.run', 'it stands on a property.'],
    DuplicateModuleError: ['BGT_DUPLICATE_MODULE', 2],
    DuplicateTaskNameError: ['BGT_DUPLICATE_TASK_NAME', 'run', 'A.run', 'B.run'],
    InvalidOptionError: ['BGT_INVALID_OPTION', 'delay', 'expected a duration.'],
    JournalError: ['BGT_JOURNAL', '/var/tasks', 'is in use by another process.'],
    MissingPeerError: ['BGT_MISSING_PEER', 'journal', ['lmdb']],
    NoRequestError: ['BGT_NO_REQUEST'],
    NotAFunctionError: ['BGT_NOT_A_FUNCTION', 'undefined'],
    NotStorableError: ['BGT_NOT_STORABLE', 'run', 'mails', 'args[0] is a Date.'],
    QueueFullError: ['BGT_QUEUE_FULL', 'mails', 5],
    RetryLaterError: ['BGT_RETRY_LATER', '5s'],
    ShutDownError: ['BGT_SHUT_DOWN', 'run'],
    StoreUnavailableError: ['BGT_STORE_UNAVAILABLE', 'Redis at localhost:6379'],
    TaskAbandonedError: ['BGT_ABANDONED', 'run'],
    TaskCancelledError: ['BGT_CANCELLED', 'run'],
    TaskCrashedError: ['BGT_TASK_CRASHED', 'run', 3],
    TaskTimeoutError: ['BGT_TIMEOUT', 'run', 5],
    TransactionError: ['BGT_TRANSACTION', 'run', 'mails', 'there is no open transaction.'],
    UnknownOptionError: ['BGT_UNKNOWN_OPTION', 'retry.atempts', ['attempts'], 'attempts'],
    UnknownQueueError: ['BGT_UNKNOWN_QUEUE', 'mials', ['mails'], 'mails'],
    UnknownTaskError: ['BGT_UNKNOWN_TASK', 'A.run'],
    UnrecoverableError: ['BGT_UNRECOVERABLE'],
    UnsupportedOptionError: [
      'BGT_UNSUPPORTED_OPTION',
      'Task "run"',
      'batch',
      'mails',
      'BullMQ on Redis',
    ],
  };

  const names = Object.keys(ERRORS);
  const make = (name: string): InstanceType<ErrorClass> =>
    new classes[name](...ERRORS[name].slice(1));

  it.each(names)('%s is a BackgroundTasksError with its own name, code and message', (name) => {
    const error = make(name);
    expect(error).toBeInstanceOf(BackgroundTasksError);
    expect(error).toBeInstanceOf(Error);
    expect({ name: error.name, code: error.code }).toEqual({ name, code: ERRORS[name][0] });
    expect(error.message.length).toBeGreaterThan(20);
    expect(error.stack).toContain(error.message);
  });

  it('are all in this test', () => {
    const exported = Object.entries(library).filter(([, value]) => isError(value));
    expect(names.toSorted()).toEqual(exported.map(([name]) => name).toSorted());
  });

  it.each(['QueueFullError', 'StoreUnavailableError'])(
    '%s is an HttpException of Nest whose body hides its message',
    (name) => {
      const error = make(name) as unknown as HttpException;
      expect(error).toBeInstanceOf(HttpException);
      expect(error.getStatus()).toBe(503);
      expect(error.getResponse()).toEqual({ statusCode: 503, message: 'Service Unavailable' });
      expect(JSON.stringify(error)).not.toContain(error.message);
      expect(new StoreUnavailableError('it', { cause: error }).cause).toBe(error);
      expect(error).not.toBeInstanceOf(InvalidOptionError);
    },
  );
});

describe('an optional peer', () => {
  it.each([
    ['no-such-package', 'no-such-package'],
    ['@no-such/package/deep.js', '@no-such/package'],
  ])('that is missing, %s, is named %s', (peer, name) => {
    const message = `the test needs ${name}: npm install ${name}`;
    expect(() => requirePeer(peer, 'the test')).toThrow(
      expect.objectContaining({ name: 'MissingPeerError', peers: [name], message }),
    );
  });

  it('rethrows the error of a package that fails to load', async () => {
    const file = join(await temporaryFolder(), 'broken.cjs');
    writeFileSync(file, 'throw new TypeError("broken");');
    expect(() => requirePeer(file, 'the test')).toThrow(new TypeError('broken'));
  });
});

describe('a RetryLaterError', () => {
  it.each<[unknown, string]>([
    ['soon', 'soon'],
    [-1, '-1'],
    [Symbol('soon'), 'Symbol(soon)'],
  ])('refuses %p as its wait', (delay, shown) => {
    const make = () => new RetryLaterError(delay as number);
    expect(make).toThrow(InvalidOptionError);
    expect(make).toThrow(
      'Option "RetryLaterError(delay)": expected milliseconds or a string such as ' +
        `'500ms', '30s', '5m', '2h', '1d', got ${shown}.`,
    );
  });

  it('O16: keeps message and cause if it refuses its wait', () => {
    const cause = new Error('429');
    const make = () => new RetryLaterError(Number.NaN, 'Too many requests.', { cause });
    expect(make).toThrow(/got NaN.*The message was: Too many requests\.$/);
    expect(make).toThrow(expect.objectContaining({ cause }));
  });

  describe('O16: after()', () => {
    const inAMinute = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 60_000);

    it.each<[string, unknown, number]>([
      ['seconds', '120', 120_000],
      ['fetch()', new Response('', { headers: { 'Retry-After': '7' } }), 7_000],
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
      ['a date in a response', { headers: { 'retry-after': inAMinute.toUTCString() } }],
    ])('waits until %s', (_, from) => {
      const { delayMs = 0 } = RetryLaterError.after(from as object);
      expect(Date.now() + delayMs).toBeLessThanOrEqual(inAMinute.getTime() + 1);
      expect(delayMs).toBeGreaterThan(0);
    });

    it.each<[string, unknown]>([
      ['nothing', undefined],
      ['no header', new Response('')],
      ['a negative number', -5],
      ['a date that is past', new Date(0)],
      ['no date', new Date(Number.NaN)],
      ['a text', 'soon'],
      ['a symbol', { headers: { 'retry-after': Symbol('soon') } }],
      ['what throws', thrower()],
    ])('leaves the wait to the policy with %s', (_, from) => {
      expect(RetryLaterError.after(from as object)).toMatchObject({
        delayMs: undefined,
        message: 'The service did not say when to try again. The retry policy decides.',
      });
    });

    it.each<[string, unknown]>([
      ['a number', 9e15],
      ['a date', new Date(8.64e15)],
      ['infinity', Number.POSITIVE_INFINITY],
    ])('waits no longer than a day for %s', (_, from) => {
      const error = RetryLaterError.after(from as number);
      expect(error.delayMs).toBe(86_400_000);
      expect(error.message).toMatch(/ s; it follows after a day\.$/);
    });
  });
});
