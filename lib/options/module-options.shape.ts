import { InvalidOptionError } from '../errors/misuse.errors.js';
import {
  checkBoolean,
  checkCount,
  checkDuration,
  checkFiniteCount,
  checkFunction,
  checkHas,
  checkOneOf,
  checkPositiveDuration,
  checkShape,
  requireKeys,
  type Check,
  type Shape,
} from './checks.js';
import type {
  BackgroundTasksOptions,
  CarryOptions,
  KeepOptions,
  QueueOptions,
  RateLimitOptions,
  RequestOptions,
  SharedConcurrency,
} from './module-options.js';
import { isPlainObject } from '../task/json-value.js';
import { DEFAULTS_SHAPE } from './task-options.shape.js';

const checkEngine = checkHas('create', 'an engine such as journal({ path })');
const RATE_SHAPE: Shape<RateLimitOptions> = { max: checkFiniteCount, per: checkPositiveDuration };
const CONCURRENCY_SHAPE: Shape<SharedConcurrency> = { each: checkCount, all: checkFiniteCount };
const QUEUE_SHAPE: Shape<QueueOptions> = {
  ...DEFAULTS_SHAPE,
  concurrency: (value, path) => {
    if (!isPlainObject(value)) {
      return checkCount(value, path);
    }
    checkShape<SharedConcurrency>(value, path, CONCURRENCY_SHAPE);
    requireKeys(value, path, 'all');
  },
  concurrencyPerKey: checkCount,
  rateLimit: (value, path) => {
    checkShape<RateLimitOptions>(value, path, RATE_SHAPE);
    requireKeys(value as object, path, 'max', 'per');
  },
  maxPending: checkCount,
  overflow: checkOneOf('reject', 'drop-oldest'),
  engine: checkEngine,
};
const CARRY_SHAPE: Shape<CarryOptions> = {
  capture: checkFunction,
  restore: checkFunction,
  request: checkFunction,
};
const REQUEST_SHAPE: Shape<RequestOptions> = {
  order: checkOneOf('sequential', 'concurrent'),
  onFailure: checkOneOf('continue', 'stop'),
  succeeded: checkFunction,
};
const KEEP_SHAPE: Shape<KeepOptions> = {
  count: checkCount,
  bytes: checkCount,
  age: checkPositiveDuration,
};
const MODULE_SHAPE: Shape<BackgroundTasksOptions> = {
  ...DEFAULTS_SHAPE,
  queues: checkQueues,
  drainTimeout: checkDuration,
  remember: checkCount,
  keep: (value, path) => checkShape<KeepOptions>(value, path, KEEP_SHAPE),
  logEvents: checkBoolean,
  engine: checkEngine,
  carry: (value, path) => {
    checkShape<CarryOptions>(value, path, CARRY_SHAPE);
    requireKeys(value as object, path, 'capture', 'restore');
  },
  request: (value, path) => checkShape<RequestOptions>(value, path, REQUEST_SHAPE),
};

/** @throws UnknownOptionError, InvalidOptionError */
export const checkModuleOptions: Check = (value, path) =>
  checkShape<BackgroundTasksOptions>(value, path, MODULE_SHAPE);

function checkQueues(value: unknown, path: string): void {
  const names: Record<string, (queue: unknown, queuePath: string) => void> = {};
  for (const name of Object.keys(value ?? {})) {
    if (!/^[\w.-]+$/.test(name)) {
      throw new InvalidOptionError(
        `${path}.${name}`,
        'a queue name has letters, digits, ".", "_" and "-" only.',
      );
    }
    names[name] = (queue, queuePath) => checkShape<QueueOptions>(queue, queuePath, QUEUE_SHAPE);
  }
  checkShape(value, path, names);
}
