import { availableParallelism } from 'node:os';
import type { ResourceLimits } from 'node:worker_threads';
import { InvalidOptionError } from '../../errors/misuse.errors.js';
import {
  checkCountOrZero,
  checkDuration,
  checkEach,
  checkFiniteCount,
  checkShape,
  checkString,
  describe,
  type Check,
  type Shape,
} from '../../options/checks.js';
import { LONGEST_TIMER_MS, milliseconds, type Duration } from '../../task/duration.js';

/** The options of `BackgroundTasksThreadsModule.forRoot()`. Every option has a default. */
export interface BackgroundTasksThreadsOptions {
  /** The maximum number of threads; each is started only when needed. @default cores − 1, at least 1 */
  threads?: number | undefined;
  /** How long a thread may be idle before it is released. @default '10s' */
  idleTimeout?: Duration | undefined;
  /** How many calls may wait for a thread; one more fails with a ThreadQueueFullError. @default 1_000 */
  maxQueue?: number | undefined;
  /**
   * The limits of each thread, in megabytes, as Node's `Worker` takes them. A thread that needs
   * more is ended, and its task fails with a ThreadOutOfMemoryError.
   * @default Node's own
   */
  resourceLimits?: ResourceLimits | undefined;
  /**
   * Node's options for each thread, in place of those of the process. In a test, name a TypeScript
   * loader here, such as `['--import', '@oxc-node/core/register']`, because threads do not have
   * that of the test runner.
   * @default those of the process
   */
  execArgv?: string[] | undefined;
}

/** {@link BackgroundTasksThreadsOptions}, checked and filled in. */
export interface ThreadPoolSettings {
  readonly threads: number;
  readonly idleTimeoutMs: number;
  readonly maxQueue: number;
  readonly resourceLimits: ResourceLimits | undefined;
  readonly execArgv: string[] | undefined;
}

const DEFAULT_IDLE_TIMEOUT: Duration = '10s';
const DEFAULT_MAX_QUEUE = 1_000;

const checkMegabytes: Check = (value, path) => {
  if (typeof value !== 'number' || !(value > 0)) {
    throw new InvalidOptionError(path, `expected a number above 0, got ${describe(value)}.`);
  }
};

const LIMITS_SHAPE: Shape<ResourceLimits> = {
  maxOldGenerationSizeMb: checkMegabytes,
  maxYoungGenerationSizeMb: checkMegabytes,
  codeRangeSizeMb: checkMegabytes,
  stackSizeMb: checkMegabytes,
};

const SHAPE: Shape<BackgroundTasksThreadsOptions> = {
  threads: checkFiniteCount,
  idleTimeout: checkDuration,
  maxQueue: checkCountOrZero,
  resourceLimits: (value, path) => checkShape<ResourceLimits>(value, path, LIMITS_SHAPE),
  execArgv: checkEach(checkString),
};

/** @throws UnknownOptionError, InvalidOptionError */
export function toThreadPoolSettings(options: BackgroundTasksThreadsOptions): ThreadPoolSettings {
  checkShape<BackgroundTasksThreadsOptions>(options, 'BackgroundTasksThreadsModule', SHAPE);
  const { threads, idleTimeout, maxQueue, resourceLimits, execArgv } = options;
  return Object.freeze({
    threads: threads ?? Math.max(1, availableParallelism() - 1),
    idleTimeoutMs: Math.min(milliseconds(idleTimeout ?? DEFAULT_IDLE_TIMEOUT), LONGEST_TIMER_MS),
    maxQueue: maxQueue ?? DEFAULT_MAX_QUEUE,
    resourceLimits,
    execArgv,
  });
}
