import { describe, expect, it } from '@jest/globals';
import type { BackgroundTasksOptions } from '../../../lib/index.js';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';

/** Resolves the options, which may be refused. */
const resolving = (options: unknown) => () =>
  new ResolvedOptions(options as BackgroundTasksOptions);

const NO_LIMIT = 'Infinity is no limit: leave the option out.';
const DURATION = "milliseconds or a string such as '500ms', '30s', '5m', '2h', '1d'";

it('module options all have a default', () => {
  const options = new ResolvedOptions({});
  expect([...options.queues.values()]).toMatchObject([
    { name: 'default', concurrency: 10, maxPending: 100_000 },
  ]);
  expect(options.request).toEqual({ order: 'sequential', onFailure: 'continue' });
  expect(options.drainTimeoutMs).toBe(10_000);
});

describe('an option that does not exist', () => {
  it.each<[string, unknown, string]>([
    ['on top', { retrys: 3 }, 'Unknown option "retrys". Did you mean "retry"?'],
    [
      'in a queue',
      { queues: { mails: { concurency: 5 } } },
      'Unknown option "queues.mails.concurency". Did you mean "concurrency"?',
    ],
    [
      'in the retry of a queue',
      { queues: { mails: { retry: { attempts: 1, maxdelay: 5 } } } },
      'Unknown option "queues.mails.retry.maxdelay". Did you mean "maxDelay"?',
    ],
  ])('%s is refused with the nearest name', (_, options, message) => {
    expect(resolving(options)).toThrow(
      expect.objectContaining({
        name: 'UnknownOptionError',
        code: 'BGT_UNKNOWN_OPTION',
        message,
      }),
    );
  });

  it('is refused with all names if none is near', () => {
    expect(resolving({ request: { colour: 'blue' } })).toThrow(
      'Unknown option "request.colour". Known options: order, onFailure, succeeded.',
    );
  });
});

const NAME = 'a queue name has letters, digits, ".", "_" and "-" only.';

describe('a wrong value of an option is refused', () => {
  it.each<[path: string, options: object, problem: string]>([
    ['queues', { queues: 5 }, 'expected a plain object, got 5.'],
    ['queues', { queues: ['mails'] }, 'expected a plain object, got an array.'],
    ['request', { request: new Map() }, 'expected a plain object, got an object (Map).'],
    ['drainTimeout', { drainTimeout: -1 }, `expected ${DURATION}, got -1.`],
    ['timeout', { timeout: 0 }, 'expected more than zero, got 0.'],
    [
      'request.order',
      { request: { order: 'parallel' } },
      "expected one of 'sequential', 'concurrent', got 'parallel'.",
    ],
    [
      'request.onFailure',
      { request: { order: 'concurrent', onFailure: 'stop' } },
      "'stop' needs order: 'sequential'; tasks that start together cannot stop each other.",
    ],
    ...['two words', 'a:b', 'a/b', '', 'é'].map((name): [string, object, string] => [
      `queues.${name}`,
      { queues: { [name]: {} } },
      NAME,
    ]),
  ])('%s: %p', (path, options, problem) => {
    expect(resolving(options)).toThrow(
      expect.objectContaining({
        name: 'InvalidOptionError',
        code: 'BGT_INVALID_OPTION',
        message: `Option "${path}": ${problem}`,
      }),
    );
  });

  it.each<[path: string, queue: object, problem: string]>([
    ['concurrency', { concurrency: 0 }, 'expected a whole number from 1 or Infinity, got 0.'],
    ['concurrency', { concurrency: 1.5 }, 'expected a whole number from 1 or Infinity, got 1.5.'],
    ['concurrency.all', { concurrency: { all: 0 } }, 'expected a whole number from 1, got 0.'],
    ['concurrency.all', { concurrency: { all: Infinity } }, NO_LIMIT],
    ['rateLimit.max', { rateLimit: { max: Infinity, per: '1s' } }, NO_LIMIT],
  ])('queues.mails.%s: %p', (path, queue, problem) => {
    expect(resolving({ queues: { mails: queue } })).toThrow(
      `Option "queues.mails.${path}": ${problem}`,
    );
  });

  it.each([5, null, 'text', [], () => undefined])('all options: %p', (options) => {
    expect(resolving(options)).toThrow(expect.objectContaining({ code: 'BGT_INVALID_OPTION' }));
  });
});

describe('retry options without attempts', () => {
  it('are refused at start-up on the module', () => {
    expect(resolving({ retry: { delay: '5s' } })).toThrow(
      'Option "retry.attempts": is missing here and at every wider level. Say how often the task ' +
        'is tried in all, for example retry: { attempts: 3 }.',
    );
  });

  it('are completed by a wider level', () => {
    const options = new ResolvedOptions({
      retry: { attempts: 4 },
      queues: { mails: { retry: { delay: '5s' } } },
    });
    expect(options.forTask({ queue: 'mails' }, undefined).retry).toMatchObject({
      attempts: 4,
      delayMs: 5000,
    });
  });
});

const tooLong = (delay: string, maxDelay: string, path = 'retry.delay') =>
  `Option "${path}": ${delay} is longer than maxDelay, ${maxDelay}. Each is set here ` +
  'or at a wider level: raise maxDelay, or shorten delay.';

describe('a retry delay that is longer than maxDelay', () => {
  it('is refused at start-up if both are the module’s, or a queue’s', () => {
    const retry = { attempts: 3, delay: '1m', maxDelay: '30s' } as const;
    expect(resolving({ retry })).toThrow(tooLong("'1m'", "'30s'"));
    expect(resolving({ queues: { mails: { retry } } })).toThrow(
      tooLong("'1m'", "'30s'", 'queues.mails.retry.delay'),
    );
  });

  it('is refused if one of them is of a wider level', () => {
    const options = new ResolvedOptions({ retry: { attempts: 3, maxDelay: 500 } });
    const read = (): unknown => options.forTask({ retry: { delay: '1s' } }, undefined);
    expect(read).toThrow(tooLong("'1s'", '500'));
  });
});
