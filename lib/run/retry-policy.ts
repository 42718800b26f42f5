import { isA } from '../errors/error-text.js';
import { InvalidOptionError } from '../errors/misuse.errors.js';
import { DURATION_FORMAT, toMilliseconds } from '../task/duration.js';
import { RetryLaterError, UnrecoverableError } from '../task/task.errors.js';
import type { Waits } from '../task/stored-call.js';
import type { RetryPolicy } from '../task/task-options.js';
import type { Verdict } from '../task/verdict.js';

const NO_WAITS: Waits = { asked: 0, free: 0 };

/**
 * Decides what follows a failed attempt. Pure except for the user's functions in the policy, whose
 * errors make the task fail.
 *
 * @param attempt the attempt that failed, 1 for the first
 * @param random returns a number from 0 up to 1, for the jitter
 * @param waits how many earlier attempts asked to wait
 */
export function decide(
  policy: RetryPolicy,
  attempt: number,
  error: unknown,
  random: () => number,
  { asked, free } = NO_WAITS,
): Verdict {
  const wish = isA(RetryLaterError, error) ? error : undefined;
  const isFree = wish?.usesAttempt === false;
  const used = attempt - free - (isFree ? 1 : 0);
  if (used >= policy.attempts || isA(UnrecoverableError, error)) {
    return { kind: 'failed', error };
  }
  try {
    if (!mayRetry(policy, attempt, error)) {
      return { kind: 'failed', error };
    }
    const waits = { asked: asked + 1, free: free + (isFree ? 1 : 0) };
    return wish?.delayMs === undefined
      ? {
          kind: 'retry',
          delayMs: delayAfter(policy, attempt - asked, error, random),
          error,
          ...(isFree && { waits }),
        }
      : { kind: 'retry', delayMs: wish.delayMs, error, waits };
  } catch (policyError) {
    // A broken policy must not retry for ever, and neither error may hide the other.
    return {
      kind: 'failed',
      error: new AggregateError(
        [error, policyError],
        'The task failed, and its retry policy threw an error: no further attempt.',
      ),
    };
  }
}

function mayRetry({ retryIf }: RetryPolicy, attempt: number, error: unknown): boolean {
  if (retryIf === undefined) {
    return true;
  }
  const answer: unknown = retryIf(error, attempt);
  refusePromise(answer, 'retryIf');
  return Boolean(answer);
}

/** A promise would count as true, and its rejection would end the process. */
function refusePromise(answer: unknown, option: string): void {
  if (answer instanceof Promise) {
    answer.catch(() => undefined);
    throw new InvalidOptionError(
      `retry.${option}`,
      'the function returned a promise; it must not be asynchronous.',
    );
  }
}

/** The wait after `errors` failures, in milliseconds. */
function delayAfter(
  policy: RetryPolicy,
  errors: number,
  error: unknown,
  random: () => number,
): number {
  const { backoff, delayMs, factor, maxDelayMs, jitter } = policy;
  if (typeof backoff === 'function') {
    const delay: unknown = backoff(errors, error);
    refusePromise(delay, 'backoff');
    const ownDelayMs = toMilliseconds(delay);
    if (ownDelayMs === undefined) {
      throw new InvalidOptionError(
        'retry.backoff',
        `the function returned ${String(delay)}; expected ${DURATION_FORMAT}.`,
      );
    }
    return ownDelayMs;
  }
  // A large exponent overflows to Infinity, and 0 × Infinity is NaN.
  const growth = backoff === 'fixed' || delayMs === 0 ? 1 : factor ** (errors - 1);
  const boundedMs = Math.min(delayMs * growth, maxDelayMs);
  return jitter === 'full' ? random() * boundedMs : boundedMs;
}
