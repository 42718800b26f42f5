import { InvalidOptionError } from '../errors/misuse.errors.js';
import { milliseconds, type Duration } from '../task/duration.js';
import type { RetryOptions, RetryPolicy } from '../task/task-options.js';
import { describe } from './checks.js';

const DEFAULT_RETRY_DELAY: Duration = '1s';
const DEFAULT_RETRY_MAX_DELAY: Duration = '30s';

const NO_RETRY: RetryPolicy = toPolicy({ attempts: 1 }, 'retry');

/**
 * Merges the retry options of several levels into one policy.
 *
 * @param levels from the widest to the narrowest: `false` clears what was set before it
 * @param path the place of the narrowest level, for errors
 * @throws InvalidOptionError if the levels together are no policy
 */
export function mergeRetry(
  levels: readonly (false | RetryOptions | undefined)[],
  path: string,
): RetryPolicy {
  const start = levels.lastIndexOf(false) + 1;
  const given = levels.slice(start).filter((level) => typeof level === 'object');
  if (given.length === 0) {
    return NO_RETRY;
  }
  const last = <Key extends keyof RetryOptions>(key: Key): RetryOptions[Key] =>
    given.findLast((level) => level[key] !== undefined)?.[key];
  const attempts = last('attempts');
  if (attempts === undefined) {
    throw new InvalidOptionError(
      `${path}.attempts`,
      'is missing here and at every wider level. Say how often the task is tried in all, ' +
        'for example retry: { attempts: 3 }.',
    );
  }
  return toPolicy(
    {
      attempts,
      backoff: last('backoff'),
      delay: last('delay'),
      factor: last('factor'),
      maxDelay: last('maxDelay'),
      jitter: last('jitter'),
      retryIf: last('retryIf'),
    },
    path,
  );
}

function toPolicy(options: RetryOptions & { attempts: number }, path: string): RetryPolicy {
  const {
    attempts,
    backoff = 'exponential',
    delay,
    factor = 2,
    maxDelay,
    jitter,
    retryIf,
  } = options;
  const delayMs = milliseconds(delay ?? DEFAULT_RETRY_DELAY);
  const maxDelayMs = milliseconds(maxDelay ?? DEFAULT_RETRY_MAX_DELAY);
  const areGiven = delay !== undefined && maxDelay !== undefined;
  if (areGiven && delayMs > maxDelayMs && typeof backoff !== 'function') {
    throw new InvalidOptionError(
      `${path}.delay`,
      `${describe(delay)} is longer than maxDelay, ${describe(maxDelay)}. ` +
        'Each is set here or at a wider level: raise maxDelay, or shorten delay.',
    );
  }
  return Object.freeze({
    attempts,
    backoff,
    delayMs,
    factor,
    maxDelayMs: maxDelay === undefined ? Math.max(delayMs, maxDelayMs) : maxDelayMs,
    jitter: jitter ?? 'full',
    retryIf,
  });
}
