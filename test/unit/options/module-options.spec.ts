import { describe, expect, it } from '@jest/globals';
import type { BackgroundTasksOptions, RetryOptions } from '../../../lib/index.js';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';

/** What the options are refused with. */
function refusalOf(options: unknown): { name: string; code?: string; message: string } {
  try {
    void new ResolvedOptions(options as BackgroundTasksOptions);
  } catch (error) {
    const { name, code, message } = error as Error & { code?: string };
    return { name, message, ...(code !== undefined && { code }) };
  }
  throw new Error('The options were accepted.');
}

const DURATION = "milliseconds or a string such as '500ms', '30s', '5m', '2h', '1d'";

describe('module options', () => {
  it('all have a default', () => {
    const options = new ResolvedOptions({});
    expect([...options.queues.values()]).toMatchObject([{ name: 'default', concurrency: 10 }]);
    expect(options.request).toEqual({ order: 'sequential', onFailure: 'continue' });
    expect(options.drainTimeoutMs).toBe(10_000);
    expect(options.forTask(undefined, undefined)).toMatchObject({
      name: undefined,
      queue: 'default',
      priority: 'normal',
      delayMs: 0,
      retry: { attempts: 1 },
      timeoutMs: undefined,
      when: 'success',
    });
  });

  it('fill in a retry policy', () => {
    const { retry } = new ResolvedOptions({ retry: { attempts: 3 } }).forTask(undefined, undefined);
    expect(retry).toEqual({
      attempts: 3,
      backoff: 'exponential',
      delayMs: 1000,
      factor: 2,
      maxDelayMs: 30_000,
      jitter: 'full',
      retryIf: undefined,
    });
  });

  it('keep what was given', () => {
    const options = new ResolvedOptions({
      queues: { default: { concurrency: 3 }, mails: { concurrency: 1 }, hooks: {} },
      request: { order: 'concurrent' },
      drainTimeout: '1m',
    });
    expect([...options.queues.values()]).toMatchObject([
      { name: 'default', concurrency: 3 },
      { name: 'mails', concurrency: 1 },
      { name: 'hooks', concurrency: 10 },
    ]);
    expect(options.request).toEqual({ order: 'concurrent', onFailure: 'continue' });
    expect(options.drainTimeoutMs).toBe(60_000);
  });

  it('may be undefined, each and all, which is as if they were not there', () => {
    const options = new ResolvedOptions({
      queues: undefined,
      request: { order: undefined, onFailure: 'stop' },
      drainTimeout: undefined,
      retry: undefined,
      timeout: undefined,
      priority: undefined,
    });
    expect(options.request).toEqual({ order: 'sequential', onFailure: 'stop' });
    expect([...options.queues.keys()]).toEqual(['default']);
    expect(options.drainTimeoutMs).toBe(10_000);
  });
});

describe('an option that does not exist', () => {
  it.each<[string, unknown, string]>([
    ['on top', { retrys: 3 }, 'Unknown option "retrys". Did you mean "retry"?'],
    ['on top', { queue: {} }, 'Unknown option "queue". Did you mean "queues"?'],
    [
      'in a queue',
      { queues: { mails: { concurency: 5 } } },
      'Unknown option "queues.mails.concurency". Did you mean "concurrency"?',
    ],
    [
      'in retry',
      { retry: { atempts: 5 } },
      'Unknown option "retry.atempts". Did you mean "attempts"?',
    ],
    [
      'in the retry of a queue',
      { queues: { mails: { retry: { attempts: 1, maxdelay: 5 } } } },
      'Unknown option "queues.mails.retry.maxdelay". Did you mean "maxDelay"?',
    ],
    [
      'in request',
      { request: { onfailure: 'stop' } },
      'Unknown option "request.onfailure". Did you mean "onFailure"?',
    ],
  ])('%s is refused, with the name it is near to', (_, options, message) => {
    expect(refusalOf(options)).toEqual({
      name: 'UnknownOptionError',
      code: 'BGT_UNKNOWN_OPTION',
      message,
    });
  });

  it('is refused with all names where it is near to none', () => {
    expect(refusalOf({ request: { colour: 'blue' } }).message).toBe(
      'Unknown option "request.colour". Known options: order, onFailure, succeeded.',
    );
  });

  it.each(['constructor', 'toString', '__proto__'])('may not be %s either', (key) => {
    const options = JSON.parse(`{ "request": { "${key}": 1 } }`) as unknown;
    expect(refusalOf(options).code).toBe('BGT_UNKNOWN_OPTION');
  });

  it('is not looked for among what is inherited', () => {
    const base = Object.create(null) as object;
    const options = Object.assign(Object.create(base) as object, { drainTimeout: 5 });
    expect(new ResolvedOptions(options as BackgroundTasksOptions).drainTimeoutMs).toBe(5);
  });
});

describe('a value that an option cannot have', () => {
  it.each<[string, unknown, string]>([
    ['queues', 5, 'expected a plain object, got 5.'],
    ['queues', null, 'expected a plain object, got null.'],
    ['queues', ['mails'], 'expected a plain object, got an array.'],
    ['request', 'concurrent', "expected a plain object, got 'concurrent'."],
    ['request', new Map(), 'expected a plain object, got an object (Map).'],
    ['drainTimeout', -1, `expected ${DURATION}, got -1.`],
    ['drainTimeout', 'soon', `expected ${DURATION}, got 'soon'.`],
    ['drainTimeout', Number.POSITIVE_INFINITY, `expected ${DURATION}, got Infinity.`],
    ['timeout', 0, 'expected more than zero, got 0.'],
    ['timeout', '0s', "expected more than zero, got '0s'."],
    ['timeout', null, `expected ${DURATION}, got null.`],
    ['timeout', 'forever', `expected ${DURATION}, got 'forever'.`],
    ['priority', 1, "expected one of 'high', 'normal', 'low', got 1."],
    ['priority', 'urgent', "expected one of 'high', 'normal', 'low', got 'urgent'."],
    [
      'retry',
      3,
      'expected a plain object, got 3. Write retry: { attempts: 3 }. That is how often it is tried in all.',
    ],
    ['retry', true, 'expected a plain object, got true.'],
    ['retry', null, 'expected a plain object, got null.'],
  ])('%s: %p', (path, value, problem) => {
    expect(refusalOf({ [path]: value })).toEqual({
      name: 'InvalidOptionError',
      code: 'BGT_INVALID_OPTION',
      message: `Option "${path}": ${problem}`,
    });
  });

  it.each<[unknown, string]>([
    [0, 'expected a whole number from 1 or Infinity, got 0.'],
    [-3, 'expected a whole number from 1 or Infinity, got -3.'],
    [1.5, 'expected a whole number from 1 or Infinity, got 1.5.'],
    ['5', "expected a whole number from 1 or Infinity, got '5'."],
    [Number.NaN, 'expected a whole number from 1 or Infinity, got NaN.'],
    [null, 'expected a whole number from 1 or Infinity, got null.'],
    [5n, 'expected a whole number from 1 or Infinity, got 5.'],
  ])('queues.mails.concurrency: %p', (concurrency, problem) => {
    expect(refusalOf({ queues: { mails: { concurrency } } })).toMatchObject({
      code: 'BGT_INVALID_OPTION',
      message: `Option "queues.mails.concurrency": ${problem}`,
    });
  });

  it.each<[string, unknown, string]>([
    ['order', 'parallel', "expected one of 'sequential', 'concurrent', got 'parallel'."],
    ['onFailure', true, "expected one of 'continue', 'stop', got true."],
  ])('request.%s: %p', (key, value, problem) => {
    expect(refusalOf({ request: { [key]: value } }).message).toBe(
      `Option "request.${key}": ${problem}`,
    );
  });

  it('a queue that is no object', () => {
    expect(refusalOf({ queues: { mails: 5 } }).message).toBe(
      'Option "queues.mails": expected a plain object, got 5.',
    );
  });

  it.each(['two words', 'a:b', 'a/b', '', 'é'])('a queue named "%s"', (name) => {
    expect(refusalOf({ queues: { [name]: {} } }).message).toBe(
      `Option "queues.${name}": a queue name has letters, digits, ".", "_" and "-" only.`,
    );
  });

  it('stop among tasks that start together', () => {
    expect(refusalOf({ request: { order: 'concurrent', onFailure: 'stop' } }).message).toBe(
      "Option \"request.onFailure\": 'stop' needs order: 'sequential'; tasks that start " +
        'together cannot stop each other.',
    );
  });

  it.each([5, null, 'text', [], () => undefined])('options that are %p', (options) => {
    expect(refusalOf(options).code).toBe('BGT_INVALID_OPTION');
  });

  it('says where it stands', () => {
    const options = { queues: { mails: { retry: { attempts: 0 } } } };
    expect(() => new ResolvedOptions(options)).toThrow(
      expect.objectContaining({ path: 'queues.mails.retry.attempts' }),
    );
  });
});

const missingAt = (path: string) =>
  `Option "${path}": is missing here and at every wider level. Say how often the task ` +
  'is tried in all, for example retry: { attempts: 3 }.';

describe('retry options without attempts', () => {
  const message = missingAt('retry.attempts');

  it('are refused at start-up where they are the module’s', () => {
    expect(refusalOf({ retry: { delay: '5s' } })).toMatchObject({
      code: 'BGT_INVALID_OPTION',
      message,
    });
  });

  it('are refused at start-up where they are a queue’s', () => {
    expect(refusalOf({ queues: { mails: { retry: { delay: '5s' } } } }).message).toBe(
      missingAt('queues.mails.retry.attempts'),
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

  it('are refused where a wider level was cleared in between', () => {
    const options = new ResolvedOptions({ retry: { attempts: 4 } });
    const read = (): unknown => options.forTask({ retry: { delay: 1 } }, { retry: false });
    expect(read).toThrow(message);
  });
});

const tooLong = (delay: string, maxDelay: string, path = 'retry.delay') =>
  `Option "${path}": ${delay} is longer than maxDelay, ${maxDelay}, and no wait may be. Each is ` +
  'set here or at a wider level: raise maxDelay, or shorten delay.';

const policyOf = (retry: RetryOptions) =>
  new ResolvedOptions({}).forTask({ retry: { attempts: 3, ...retry } }, undefined).retry;

describe('a retry delay that is longer than maxDelay', () => {
  it('is refused at start-up where both are the module’s, or a queue’s', () => {
    const retry = { attempts: 3, delay: '1m', maxDelay: '30s' } as const;
    expect(refusalOf({ retry }).message).toBe(tooLong("'1m'", "'30s'"));
    expect(refusalOf({ queues: { mails: { retry } } }).message).toBe(
      tooLong("'1m'", "'30s'", 'queues.mails.retry.delay'),
    );
  });

  it('is refused where one of them is of a wider level', () => {
    const options = new ResolvedOptions({ retry: { attempts: 3, maxDelay: 500 } });
    const read = (): unknown => options.forTask({ retry: { delay: '1s' } }, undefined);
    expect(read).toThrow(tooLong("'1s'", '500'));
  });

  it('is refused only where both are set', () => {
    expect(policyOf({ delay: '1h' })).toMatchObject({ delayMs: 3.6e6, maxDelayMs: 3.6e6 });
    expect(policyOf({ maxDelay: 500 })).toMatchObject({ delayMs: 1_000, maxDelayMs: 500 });
    expect(policyOf({ delay: '1s', maxDelay: '1s' })).toMatchObject({ maxDelayMs: 1_000 });
  });

  it('is nothing to a backoff function, which heeds neither', () => {
    const retry: RetryOptions = { attempts: 3, delay: '1h', maxDelay: 1, backoff: () => 5 };
    expect(new ResolvedOptions({ retry }).forTask(undefined, undefined).retry.delayMs).toBe(3.6e6);
  });

  it('refuses a rate limit that is none', () => {
    const rateLimit = { max: Number.POSITIVE_INFINITY, per: '1s' } as const;
    expect(() => new ResolvedOptions({ queues: { mails: { rateLimit } } })).toThrow(
      'Option "queues.mails.rateLimit.max": Infinity is no limit: leave it out.',
    );
  });
});
