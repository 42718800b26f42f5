import { InvalidOptionError } from '../errors/misuse.errors.js';
import type { ScheduleOptions } from '../task/schedule-options.js';
import type {
  BackgroundOptions,
  BatchOptions,
  DedupeOptions,
  RetryOptions,
  TaskOptions,
} from '../task/task-options.js';
import {
  checkBoolean,
  checkCount,
  checkDuration,
  checkEach,
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
import { backoffOf, insteadOf } from './habits.js';

const RETRY_SHAPE: Shape<RetryOptions> = {
  attempts: checkCount,
  backoff: checkUnless('function', (value, path) => {
    if (typeof value === 'object' && value !== null) {
      const instead = `Write ${backoffOf(value)} in retry.`;
      throw new InvalidOptionError(
        path,
        `expected 'exponential', 'fixed' or a function, got ${describe(value)}. ${instead}`,
      );
    }
    checkOneOf('exponential', 'fixed')(value, path);
  }),
  delay: checkDuration,
  factor: checkFactor,
  maxDelay: checkDuration,
  jitter: checkOneOf('full', 'none'),
  retryIf: checkFunction,
};

/** The options of a task that a queue or the module can set as a default. */
export const DEFAULTS_SHAPE: Shape<Pick<TaskOptions, 'priority' | 'retry' | 'timeout'>> = {
  priority: checkOneOf('high', 'normal', 'low'),
  retry: checkRetry,
  timeout: checkPositiveDuration,
};

const checkKey: Check = checkUnless('function', checkString);

const DEDUPE_SHAPE: Shape<DedupeOptions> = {
  key: checkKey,
  window: checkPositiveDuration,
  again: checkBoolean,
};
/** A schedule is stored under its name, and not every store takes much longer keys. */
const MAX_SCHEDULE_NAME_BYTES = 1_000;

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
    const { window, again } = value as DedupeOptions;
    if (window !== undefined && again === true) {
      throw new InvalidOptionError(
        path,
        '"window" keeps later calls from running, and "again" has them run. Leave one of them out.',
      );
    }
  },
  waitForEnd: checkBoolean,
  concurrencyKey: checkKey,
};

const SCHEDULE_SHAPE: Shape<ScheduleOptions> = {
  cron: checkString,
  timeZone: checkString,
  every: checkPositiveDuration,
  missed: checkOneOf('skip', 'once', 'all'),
  overlap: checkOneOf('skip', 'allow'),
};

const METHOD_SHAPE: Shape<BackgroundOptions> = {
  ...TASK_SHAPE,
  ...SCHEDULE_SHAPE,
  aliases: checkEach(checkString),
  batch: (value, path) => {
    checkShape<BatchOptions>(value, path, BATCH_SHAPE);
    requireKeys(value as object, path, 'size', 'wait');
  },
  profile: checkUnless('boolean', checkString),
};

/**
 * Checks the options of a task, except whether the queue exists: only the module knows that.
 *
 * @throws UnknownOptionError, InvalidOptionError
 */
export const checkTaskOptions: Check = (value, path) =>
  checkShape<TaskOptions>(value, path, TASK_SHAPE);

/** @throws UnknownOptionError, InvalidOptionError */
export const checkMethodOptions: Check = (value, path) => {
  checkShape<BackgroundOptions>(value, path, METHOD_SHAPE);
  const { cron, every, timeZone, missed, overlap, batch } = value as BackgroundOptions;
  if (cron !== undefined || every !== undefined) {
    if (batch !== undefined) {
      throw new InvalidOptionError(
        `${path}.batch`,
        'merges calls that pass an array, and a schedule passes no arguments.',
      );
    }
    checkSchedule(value as BackgroundOptions, path);
  } else if (timeZone !== undefined || missed !== undefined || overlap !== undefined) {
    throw new InvalidOptionError(path, 'there is no schedule. Add "cron" or "every".');
  }
};

/**
 * Checks the options of a schedule that is added at run time.
 *
 * @throws UnknownOptionError, InvalidOptionError
 */
export const checkScheduleOptions: Check = (value, path) => {
  checkShape<ScheduleOptions & TaskOptions>(value, path, { ...TASK_SHAPE, ...SCHEDULE_SHAPE });
  requireKeys(value as object, path, 'name');
  checkSchedule(value as ScheduleOptions & TaskOptions, path);
};

function checkSchedule(
  { name = '', cron, every, timeZone }: ScheduleOptions & TaskOptions,
  path: string,
): void {
  const bytes = Buffer.from(name);
  if (bytes.length > MAX_SCHEDULE_NAME_BYTES) {
    throw new InvalidOptionError(
      `${path}.name`,
      `takes ${bytes.length} bytes. That of a schedule may take ${MAX_SCHEDULE_NAME_BYTES}.`,
    );
  }
  if (name.includes('\0') || bytes.toString() !== name) {
    throw new InvalidOptionError(`${path}.name`, `${describe(name)} cannot be stored as text.`);
  }
  if ((cron === undefined) === (every === undefined)) {
    throw new InvalidOptionError(path, 'a schedule has either "cron" or "every".');
  }
  if (timeZone !== undefined && cron === undefined) {
    throw new InvalidOptionError(
      `${path}.timeZone`,
      'is for "cron". The ticks of "every" are the same in all time zones.',
    );
  }
}

function checkRetry(value: unknown, path: string): void {
  if (typeof value === 'number') {
    const instead = `${insteadOf('attempts', value)} That is how often it is tried in all.`;
    throw new InvalidOptionError(path, `expected a plain object, got ${value}. ${instead}`);
  }
  if (value !== false) {
    checkShape<RetryOptions>(value, path, RETRY_SHAPE);
  }
}

function checkFactor(value: unknown, path: string): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 1) {
    throw new InvalidOptionError(path, `expected a number from 1, got ${describe(value)}.`);
  }
}
