import { describe, expect, it } from '@jest/globals';
import { fc } from '../../support/properties.js';
import type { TaskOptions } from '../../../lib/index.js';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';

const DURATION = "milliseconds or a string such as '500ms', '30s', '5m', '2h', '1d'";

/** Resolves the options of a call, which may be refused. */
const resolving =
  (call: unknown, options = new ResolvedOptions({})) =>
  () =>
    options.forTask(call as TaskOptions, undefined);

describe('task options', () => {
  it.each<[string, unknown, string]>([
    ['name', '', "expected a non-empty string, got ''."],
    ['queue', Symbol('mails'), 'expected a non-empty string, got Symbol(mails).'],
    ['priority', 5, "expected one of 'high', 'normal', 'low', got 5."],
    ['delay', -5, `expected ${DURATION}, got -5.`],
    ['delay', Promise.resolve(5), `expected ${DURATION}, got a promise.`],
    ['timeout', 0, 'expected more than zero, got 0.'],
    ['when', 'later', "expected one of 'success', 'failure', 'always', got 'later'."],
    [
      'retry',
      5,
      'expected a plain object, got 5. Write retry: { attempts: 5 }. That is how often it is tried in all.',
    ],
  ])('refuse %s: %p', (key, value, problem) => {
    expect(resolving({ [key]: value })).toThrow(
      expect.objectContaining({
        name: 'InvalidOptionError',
        code: 'BGT_INVALID_OPTION',
        message: `Option "${key}": ${problem}`,
      }),
    );
  });

  it.each<[object, string]>([
    [{ attempts: 3 }, 'Unknown option "attempts". Write retry: { attempts: 3 }.'],
    [
      { retries: 3 },
      'Unknown option "retries". Write retry: { attempts: 4 }; the first attempt counts.',
    ],
    [
      { backoff: { type: 'fixed', delay: 500 } },
      'Unknown option "backoff". Write retry: { attempts: 3, backoff: \'fixed\', delay: 500 }.',
    ],
    [
      { retry: { attempts: 2, backoff: { type: 'exponential' } } },
      "Option \"retry.backoff\": expected 'exponential', 'fixed' or a function, got an object " +
        "(Object). Write backoff: 'exponential', delay: 1000 in retry.",
    ],
    [{ retry: { retries: 1 } }, 'Unknown option "retry.retries". Write retry: { attempts: 2 }'],
    [{ jobId: 'a' }, 'Unknown option "jobId". Write dedupe: { key }'],
    [{ tz: 'UTC' }, 'Unknown option "tz". Write timeZone'],
    [{ repeat: {} }, 'Unknown option "repeat". Write @Background({ cron })'],
    [{ constructor: 1 }, 'Unknown option "constructor". Known options:'],
  ])('O26: name the option to write in place of another library’s: %j', (options, message) => {
    expect(resolving(options)).toThrow(message);
  });

  it.each<[string, unknown, string]>([
    ['attempts', 0, 'expected a whole number from 1 or Infinity, got 0.'],
    ['attempts', 2.5, 'expected a whole number from 1 or Infinity, got 2.5.'],
    ['backoff', 'linear', "expected one of 'exponential', 'fixed', got 'linear'."],
    ['delay', 'soon', `expected ${DURATION}, got 'soon'.`],
    ['factor', 0.5, 'expected a number from 1, got 0.5.'],
    ['factor', Number.POSITIVE_INFINITY, 'expected a number from 1, got Infinity.'],
    ['jitter', true, "expected one of 'full', 'none', got true."],
    ['retryIf', true, 'expected a function, got true.'],
  ])('refuse retry.%s: %p', (key, value, problem) => {
    expect(resolving({ retry: { attempts: 2, [key]: value } })).toThrow(
      expect.objectContaining({
        name: 'InvalidOptionError',
        code: 'BGT_INVALID_OPTION',
        message: `Option "retry.${key}": ${problem}`,
      }),
    );
  });
});

describe('a queue that does not exist', () => {
  const options = new ResolvedOptions({ queues: { emails: {}, webhooks: {} } });

  it('is refused with the nearest name', () => {
    expect(resolving({ queue: 'email' }, options)).toThrow(
      expect.objectContaining({
        name: 'UnknownQueueError',
        code: 'BGT_UNKNOWN_QUEUE',
        message:
          'Unknown queue "email". Did you mean "emails"? ' +
          'Queues are declared in BackgroundTasksModule.forRoot({ queues: { … } }).',
      }),
    );
  });

  it('is refused with all queues if no name is near', () => {
    expect(resolving({ queue: 'video-transcoding' }, options)).toThrow(
      'Unknown queue "video-transcoding". Known queues: default, emails, webhooks. ' +
        'Queues are declared in BackgroundTasksModule.forRoot({ queues: { … } }).',
    );
  });
});

describe('precedence', () => {
  const call = {
    name: 'call',
    delay: 1_000,
    when: 'always',
    priority: 'normal',
    timeout: 1_000,
    retry: { attempts: 1 },
  } as const;
  const decorator = {
    name: 'decorator',
    delay: 2_000,
    when: 'failure',
    priority: 'high',
    timeout: 2_000,
    retry: { attempts: 2 },
  } as const;
  const queue = { priority: 'normal', timeout: 3_000, retry: { attempts: 3 } } as const;
  const module = { priority: 'low', timeout: 4_000, retry: { attempts: 4 } } as const;
  const standard = { priority: 'normal', timeout: undefined, retry: { attempts: 1 } } as const;
  const none = { name: undefined, queue: 'default', delay: 0, when: 'success' } as const;
  const withQueue = new ResolvedOptions({ ...module, queues: { default: queue } });
  const withoutQueue = new ResolvedOptions({ ...module, queues: { default: {} } });

  it.each<[string, ResolvedOptions, TaskOptions?, TaskOptions?, TaskOptions?]>([
    ['the call', withQueue, call, decorator, call],
    ['the decorator', withQueue, undefined, decorator, decorator],
    ['the queue', withQueue, undefined, undefined, queue],
    ['the module', withoutQueue, undefined, undefined, module],
    ['the library', new ResolvedOptions({}), undefined, undefined, standard],
  ])('each option is that of %s', (_, options, ofCall, ofDecorator, expected) => {
    const { delay: delayMs, timeout: timeoutMs, ...rest } = { ...none, ...expected };
    const resolved = options.forTask(ofCall, ofDecorator);
    expect(resolved).toMatchObject({ ...rest, delayMs, timeoutMs });
  });

  it('does not let undefined hide a wider level', () => {
    const options = new ResolvedOptions({ ...module, queues: { default: { timeout: undefined } } });
    const hiding: TaskOptions = Object.fromEntries(
      ['queue', ...Object.keys(call)].map((key) => [key, undefined]),
    );
    expect(options.forTask(hiding, { ...hiding, delay: 2_000 })).toMatchObject({
      queue: 'default',
      priority: 'low',
      delayMs: 2_000,
      timeoutMs: 4_000,
      retry: { attempts: 4 },
      when: 'success',
    });
    expect(options.forTask(hiding, decorator)).toMatchObject({
      name: 'decorator',
      when: 'failure',
    });
  });
});

describe('retry', () => {
  const levels = fc.array(
    fc.option(
      fc.oneof(
        fc.constant(false as const),
        fc.record(
          {
            attempts: fc.integer({ min: 1, max: 9 }),
            delay: fc.nat(1000),
            factor: fc.integer({ min: 1, max: 9 }),
            jitter: fc.constantFrom('full', 'none'),
          },
          { requiredKeys: ['attempts'] },
        ),
      ),
      { nil: undefined },
    ),
    { minLength: 4, maxLength: 4 },
  );

  it('has each field from the narrowest level that says so, after the last false', () => {
    fc.assert(
      fc.property(levels, (given) => {
        const [module, queue, decorator, call] = given;
        const options = new ResolvedOptions({
          retry: module,
          queues: { default: { retry: queue } },
        });
        const counting = given.slice(given.lastIndexOf(false) + 1);
        const expected = { attempts: 1, delay: 1000, factor: 2, jitter: 'full' };
        counting.forEach((level) => Object.assign(expected, level));
        const { delay: delayMs, ...rest } = expected;
        const merged = options.forTask({ retry: call }, { retry: decorator }).retry;
        expect(merged).toMatchObject({ ...rest, delayMs });
      }),
      { numRuns: 500 },
    );
  });
});
