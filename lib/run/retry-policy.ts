import { InvalidOptionError } from '../errors/misuse.errors.js';
import { DURATION_FORMAT, toMilliseconds } from '../task/duration.js';
import { RetryLaterError, UnrecoverableError } from '../task/task.errors.js';
import type { RetryPolicy } from '../task/task-options.js';
import type { Verdict } from '../task/verdict.js';

/**
 * What a failed attempt means. Pure but for the user's own functions in the policy, which may
 * throw: see {@link decide}.
 *
 * @param attempt the attempt that failed, 1 for the first
 * @param random a number from 0 up to 1, for the jitter
 */
export function decide(
  policy: RetryPolicy,
  attempt: number,
  error: unknown,
  random: () => number,
): Verdict {
  if (attempt >= policy.attempts || error instanceof UnrecoverableError) {
    return { kind: 'failed', error };
  }
  try {
    if (policy.retryIf !== undefined && !policy.retryIf(error, attempt)) {
      return { kind: 'failed', error };
    }
    return { kind: 'retry', delayMs: delayAfter(policy, attempt, error, random), error };
  } catch (policyError) {
    // A broken policy must not retry for ever, and neither error may hide the other.
    return {
      kind: 'failed',
      error: new AggregateError(
        [error, policyError],
        'The task failed, and then its retry policy did: no further attempt.',
      ),
    };
  }
}

/** The wait before the attempt that follows number `attempt`, in milliseconds. */
function delayAfter(
  policy: RetryPolicy,
  attempt: number,
  error: unknown,
  random: () => number,
): number {
  if (error instanceof RetryLaterError) {
    return error.delayMs;
  }
  const { backoff, delayMs, factor, maxDelayMs, jitter } = policy;
  if (typeof backoff === 'function') {
    const delay = backoff(attempt, error);
    const ownDelayMs = toMilliseconds(delay);
    if (ownDelayMs === undefined) {
      throw new InvalidOptionError(
        'retry.backoff',
        `the function returned ${String(delay)}; expected ${DURATION_FORMAT}.`,
      );
    }
    return ownDelayMs;
  }
  const fullMs = backoff === 'fixed' ? delayMs : delayMs * factor ** (attempt - 1);
  const boundedMs = Math.min(fullMs, maxDelayMs);
  return jitter === 'full' ? random() * boundedMs : boundedMs;
}
