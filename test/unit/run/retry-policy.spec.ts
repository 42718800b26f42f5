import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { describe, expect, it, jest } from '@jest/globals';
import { fc } from '../../support/properties.js';
import { RetryLaterError, type RetryOptions } from '../../../lib/index.js';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import { decide } from '../../../lib/run/retry-policy.js';
import type { Verdict } from '../../../lib/task/verdict.js';
import { thrower } from '../support/hostile-values.js';

const ERROR = new Error('no connection');
/** The largest number that a random source may give. */
const ALMOST_ONE = 1 - Number.EPSILON / 2;
const REFUSED = 'Option "retry.backoff": the function returned';
const noRandom = (): number => {
  throw new Error('random was asked for');
};

function policyOf(retry: RetryOptions) {
  return new ResolvedOptions({}).forTask({ retry }, undefined).retry;
}

function delayOf(verdict: Verdict): number | undefined {
  return verdict.kind === 'retry' ? verdict.delayMs : undefined;
}

/** The wait after each of the attempts 1, 2, …, in milliseconds. */
function waits(retry: RetryOptions, count: number, random: () => number = noRandom): number[] {
  const policy = policyOf({ attempts: count + 1, ...retry });
  return Array.from({ length: count }, (_, index) => {
    const verdict = decide(policy, index + 1, ERROR, random);
    expect(verdict).toMatchObject({ kind: 'retry', error: ERROR });
    return delayOf(verdict) ?? Number.NaN;
  });
}

describe('the wait before the next attempt', () => {
  it.each<[string, RetryOptions, number[]]>([
    ['doubles from one second up to thirty', {}, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]],
    [
      'starts at delay and grows by factor up to maxDelay',
      { delay: '200ms', factor: 3, maxDelay: '5s' },
      [200, 600, 1800, 5000],
    ],
    [
      'can be fixed, and longer than thirty seconds',
      { backoff: 'fixed', delay: '3m' },
      [180_000, 180_000],
    ],
    ['can be fixed, and shorter', { backoff: 'fixed', delay: '2s' }, [2000, 2000]],
    ['can start at more than thirty seconds', { delay: '3m' }, [180_000, 180_000]],
  ])('%s', (_, retry, expected) => {
    expect(waits({ ...retry, jitter: 'none' }, expected.length)).toEqual(expected);
  });

  it.each<[string, () => number, number[]]>([
    ['nothing', () => 0, [0, 0, 0]],
    ['half', () => 0.5, [500, 1000, 2000]],
    ['nearly all', () => ALMOST_ONE, [1000, 2000, 4000].map((full) => full * ALMOST_ONE)],
  ])('is a random part of that by default: %s', (_, random, expected) => {
    expect(waits({}, 3, random)).toEqual(expected);
  });

  it('stays 0 if delay is 0', () => {
    const policy = policyOf({ attempts: Number.POSITIVE_INFINITY, delay: 0 });
    for (const attempt of [1, 2, 1024, 1025, 5000]) {
      expect(decide(policy, attempt, ERROR, () => 0.5)).toMatchObject({
        kind: 'retry',
        delayMs: 0,
      });
    }
  });
});

describe('a backoff function', () => {
  it('is not limited by maxDelay, and has no jitter', () => {
    const retry: RetryOptions = { backoff: (attempt) => `${attempt}h`, maxDelay: '1s' };
    expect(waits(retry, 2)).toEqual([3_600_000, 7_200_000]);
  });

  it.each<[string, unknown, string?]>([
    ['nothing', undefined],
    ['a negative number', -1],
    ['NaN', Number.NaN],
    ['a number without a unit', '5'],
    ['an object that cannot be shown', thrower(), 'looked at'],
  ])('that returns %s ends the task with both errors', (_, wrong, own = REFUSED) => {
    const policy = policyOf({ attempts: 3, backoff: () => wrong as number });
    const verdict = decide(policy, 1, ERROR, noRandom);
    const error = verdict.kind === 'failed' ? (verdict.error as AggregateError) : undefined;
    expect(error?.name).toBe('AggregateError');
    expect(error?.message).toBe(
      'The task failed, and its retry policy threw an error: no further attempt.',
    );
    expect(error?.errors[0]).toBe(ERROR);
    expect(String(error?.errors[1])).toContain(own);
  });
});

describe('retryIf', () => {
  it('that throws ends the task with both errors', () => {
    const own = new TypeError('cannot read');
    const retryIf = (): never => {
      throw own;
    };
    expect(decide(policyOf({ attempts: 9, retryIf }), 1, ERROR, noRandom)).toMatchObject({
      kind: 'failed',
      error: { name: 'AggregateError', errors: [ERROR, own] },
    });
  });
});

describe('a function of the policy that is async, against its type', () => {
  it.each(['retryIf', 'backoff'] as const)(
    '%s leaves no unhandled rejection, which would end the process',
    async (option) => {
      const policy = policyOf({
        attempts: 3,
        [option]: () => Promise.reject(new Error('broken policy')),
      });
      expect(decide(policy, 1, ERROR, () => 0)).toMatchObject({
        kind: 'failed',
        error: {
          errors: [
            ERROR,
            {
              message: `Option "retry.${option}": the function returned a promise; it must not be asynchronous.`,
            },
          ],
        },
      });
      // The runner fails this test for a rejection that nobody has handled by then.
      await turnOfTheLoop();
    },
  );
});

describe('a RetryLaterError', () => {
  const error = new RetryLaterError('10m');

  it('sets the wait, without maxDelay, jitter or backoff function', () => {
    expect(decide(policyOf({ attempts: 2 }), 1, error, noRandom)).toMatchObject({
      kind: 'retry',
      delayMs: 600_000,
      error,
    });
    const backoff = jest.fn(() => 1);
    const verdict = decide(policyOf({ attempts: 2, backoff }), 1, error, noRandom);
    expect(verdict).toMatchObject({ delayMs: 600_000 });
    expect(backoff).not.toHaveBeenCalled();
  });
});

describe('any policy', () => {
  const anyRetry = fc
    .record({
      attempts: fc.oneof(fc.integer({ min: 1, max: 4000 }), fc.constant(Number.POSITIVE_INFINITY)),
      backoff: fc.constantFrom('exponential', 'fixed'),
      delay: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e9, noNaN: true })),
      factor: fc.double({ min: 1, max: 1e6, noNaN: true }),
      maxDelay: fc.double({ min: 0, max: 1e12, noNaN: true }),
      jitter: fc.constantFrom('full', 'none'),
    })
    .filter(({ delay, maxDelay }) => delay <= maxDelay);
  const anyAttempt = fc.integer({ min: 1, max: 4000 });
  const anyRandom = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

  it('jitters within the wait without jitter', () => {
    fc.assert(
      fc.property(anyRetry, anyAttempt, anyRandom, (retry, attempt, random) => {
        const all = { ...retry, attempts: Number.POSITIVE_INFINITY };
        const full = decide(policyOf({ ...all, jitter: 'none' }), attempt, ERROR, noRandom);
        const part = decide(policyOf({ ...all, jitter: 'full' }), attempt, ERROR, () => random);
        expect(delayOf(part)).toBe((delayOf(full) ?? Number.NaN) * random);
      }),
    );
  });
});

describe('O15: an attempt that asked to wait', () => {
  const policy = policyOf({ attempts: 5, delay: 200, factor: 2, jitter: 'none' });

  it('waits as the policy says if the service did not say how long', () => {
    const unsaid = RetryLaterError.after(undefined);
    const verdict = { kind: 'retry', delayMs: 400, error: unsaid };
    expect(decide(policy, 2, unsaid, noRandom)).toEqual(verdict);
    Object.assign(unsaid, { usesAttempt: false });
    const asked = { asked: 1, free: 1 };
    expect(decide(policy, 2, unsaid, noRandom)).toEqual({ ...verdict, waits: asked });
  });
});
