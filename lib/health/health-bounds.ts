import { InvalidOptionError, type Duration } from '../index.js';
import {
  checkCountOrZero,
  checkDuration,
  checkShape,
  describe,
  type Check,
  type Shape,
} from '../options/checks.js';

/** The bounds of a healthy queue. A bound that is not given is not checked. */
export interface QueueBounds {
  /** The longest time that a task may wait for a slot. @default none */
  maxPendingAge?: Duration | undefined;
  /**
   * The largest share of failed tasks among those that ended within `window`, from 0 to 1.
   * @default none
   */
  maxFailureRate?: number | undefined;
}

/** The options of `BackgroundTasksHealthIndicator.check()`. */
export interface HealthBounds extends QueueBounds {
  /** Bounds of single queues. They override those of all queues. @default {} */
  queues?: Record<string, QueueBounds> | undefined;
  /** How far back the failure rate looks. @default '5m' */
  window?: Duration | undefined;
  /** How many tasks must have run within `window` before the failure rate counts. @default 10 */
  minRuns?: number | undefined;
  /** How long a store may take to answer. @default '2s' */
  timeout?: Duration | undefined;
}

/** The figures of a queue. */
export interface QueueHealth {
  /** Tasks that were added and neither run nor have settled. */
  readonly pending: number;
  /** Tasks with an attempt under way. */
  readonly running: number;
  /** How long the oldest task that waits for a slot has waited, in milliseconds. */
  readonly oldestPendingAgeMs: number | undefined;
  /**
   * The share of failed tasks, from 0 to 1: within the window or, until the first check is that old,
   * since the application started.
   */
  readonly failureRate: number;
  /** Whether `TaskRunner.pause()` keeps its tasks from starting. */
  readonly isPaused: boolean;
}

/**
 * A result as Terminus takes it.
 *
 * @typeParam Key the key of the result
 */
export type BackgroundTasksHealth<Key extends string = string> = Record<
  Key,
  {
    /** Whether all bounds are kept and the store takes tasks. */
    status: 'up' | 'down';
    /** Why the result is `down`: a sentence for each problem. */
    problems?: readonly string[] | undefined;
    /** The figures of each queue, by its name. */
    queues: Record<string, QueueHealth>;
  }
>;

const QUEUE_SHAPE: Shape<QueueBounds> = {
  maxPendingAge: checkDuration,
  maxFailureRate: (value, path) => {
    if (typeof value !== 'number' || !(value >= 0 && value <= 1)) {
      throw new InvalidOptionError(path, `expected a share from 0 to 1, got ${describe(value)}.`);
    }
  },
};
const checkQueue: Check = (value, path) => checkShape<QueueBounds>(value, path, QUEUE_SHAPE);
const BOUNDS_SHAPE: Shape<HealthBounds> = {
  ...QUEUE_SHAPE,
  queues: (value, path) => {
    const names = Object.keys(value ?? {}).map((name): [string, Check] => [name, checkQueue]);
    checkShape(value, path, Object.fromEntries(names));
  },
  window: checkDuration,
  minRuns: checkCountOrZero,
  timeout: checkDuration,
};

/** @throws UnknownOptionError, InvalidOptionError */
export function checkBounds(bounds: HealthBounds): void {
  checkShape<HealthBounds>(bounds, 'health', BOUNDS_SHAPE);
}
