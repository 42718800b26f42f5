import { InvalidOptionError } from '../errors/misuse.errors.js';
import type {
  BackgroundOptions,
  BatchOptions,
  DedupeOptions,
  RetryOptions,
  TaskOptions,
} from '../task/task-options.js';
import {
  checkCount,
  checkDuration,
  checkFunction,
  checkOneOf,
  checkPositiveDuration,
  checkShape,
  checkString,
  checkUnless,
  describe,
  requireKeys,
  type Check,
  type Shape,
} from './checks.js';

const RETRY_SHAPE: Shape<RetryOptions> = {
  attempts: checkCount,
  backoff: checkUnless('function', checkOneOf('exponential', 'fixed')),
  delay: checkDuration,
  factor: checkFactor,
  maxDelay: checkDuration,
  jitter: checkOneOf('full', 'none'),
  retryIf: checkFunction,
};

/** The keys of {@link TaskOptions} that are also a default for a queue or the module. */
export const DEFAULTS_SHAPE: Shape<Pick<TaskOptions, 'priority' | 'retry' | 'timeout'>> = {
  priority: checkOneOf('high', 'normal', 'low'),
  retry: checkRetry,
  timeout: checkPositiveDuration,
};

const checkKey: Check = checkUnless('function', checkString);

const DEDUPE_SHAPE: Shape<DedupeOptions> = { key: checkKey, window: checkPositiveDuration };
const BATCH_SHAPE: Shape<BatchOptions> = { size: checkCount, wait: checkDuration };

const TASK_SHAPE: Shape<TaskOptions> = {
  ...DEFAULTS_SHAPE,
  name: checkString,
  queue: checkString,
  delay: checkDuration,
  when: checkOneOf('success', 'failure', 'always'),
  dedupe: (value, path) => {
    checkShape<DedupeOptions>(value, path, DEDUPE_SHAPE);
    requireKeys(value as object, path, 'key');
  },
  concurrencyKey: checkKey,
};

const METHOD_SHAPE: Shape<BackgroundOptions> = {
  ...TASK_SHAPE,
  aliases: (value, path) => {
    if (!Array.isArray(value)) {
      throw new InvalidOptionError(path, `expected an array of names, got ${describe(value)}.`);
    }
    value.forEach((alias, index) => checkString(alias, `${path}[${index}]`));
  },
  batch: (value, path) => {
    checkShape<BatchOptions>(value, path, BATCH_SHAPE);
    requireKeys(value as object, path, 'size', 'wait');
  },
  profile: checkUnless('boolean', checkString),
};

/**
 * Refuses what cannot be a task's options. Whether the queue exists is for the module to say.
 *
 * @throws UnknownOptionError, InvalidOptionError
 */
export const checkTaskOptions: Check = (value, path) =>
  checkShape<TaskOptions>(value, path, TASK_SHAPE);

/**
 * Refuses what cannot be the options of a `@Background()` method.
 *
 * @throws UnknownOptionError, InvalidOptionError
 */
export const checkMethodOptions: Check = (value, path) =>
  checkShape<BackgroundOptions>(value, path, METHOD_SHAPE);

function checkRetry(value: unknown, path: string): void {
  if (value !== false) {
    checkShape<RetryOptions>(value, path, RETRY_SHAPE);
  }
}

function checkFactor(value: unknown, path: string): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 1) {
    throw new InvalidOptionError(path, `expected a number from 1, got ${describe(value)}.`);
  }
}
