import { InvalidOptionError, UnknownQueueError } from '../errors/misuse.errors.js';
import { toMilliseconds, type Duration } from '../task/duration.js';
import type {
  BackgroundOptions,
  DedupeOptions,
  RetryOptions,
  RetryPolicy,
  TaskOptions,
  TaskSettings,
} from '../task/task-options.js';
import { Carriers } from './carriers.js';
import {
  checkBoolean,
  checkCount,
  checkDuration,
  checkFunction,
  checkOneOf,
  checkPositiveDuration,
  checkFiniteCount,
  checkShape,
  describe,
  nearest,
  requireKeys,
  type Shape,
} from './checks.js';
import type {
  BackgroundTasksOptions,
  CarryOptions,
  QueueOptions,
  QueueSettings,
  RateLimitOptions,
  RequestOptions,
  RequestSettings,
} from './module-options.js';
import { DEFAULTS_SHAPE, checkTaskOptions } from './task-options.shape.js';

const DEFAULT_QUEUE = 'default';
const DEFAULT_QUEUE_OPTIONS = {
  concurrency: 10,
  concurrencyPerKey: 1,
  maxPending: 100_000,
  overflow: 'reject',
} satisfies QueueOptions;
const DEFAULT_REMEMBER = 1_000;
const DEFAULT_REQUEST: RequestSettings = { order: 'sequential', onFailure: 'continue' };
const DEFAULT_DRAIN_TIMEOUT: Duration = '10s';
const DEFAULT_RETRY_DELAY: Duration = '1s';
const DEFAULT_RETRY_MAX_DELAY: Duration = '30s';

const NO_RETRY: RetryPolicy = toPolicy({ attempts: 1 });

const RATE_SHAPE: Shape<RateLimitOptions> = { max: checkFiniteCount, per: checkPositiveDuration };
const QUEUE_SHAPE: Shape<QueueOptions> = {
  ...DEFAULTS_SHAPE,
  concurrency: checkCount,
  concurrencyPerKey: checkCount,
  rateLimit: (value, path) => {
    checkShape<RateLimitOptions>(value, path, RATE_SHAPE);
    requireKeys(value as object, path, 'max', 'per');
  },
  maxPending: checkCount,
  overflow: checkOneOf('reject', 'drop-oldest'),
  engine: checkEngine,
};
const CARRY_SHAPE: Shape<CarryOptions> = { capture: checkFunction, restore: checkFunction };
const REQUEST_SHAPE: Shape<RequestOptions> = {
  order: checkOneOf('sequential', 'concurrent'),
  onFailure: checkOneOf('continue', 'stop'),
};
const MODULE_SHAPE: Shape<BackgroundTasksOptions> = {
  ...DEFAULTS_SHAPE,
  queues: checkQueues,
  drainTimeout: checkDuration,
  remember: checkCount,
  logEvents: checkBoolean,
  engine: checkEngine,
  carry: (value, path) => {
    checkShape<CarryOptions>(value, path, CARRY_SHAPE);
    requireKeys(value as object, path, 'capture', 'restore');
  },
  request: (value, path) => checkShape<RequestOptions>(value, path, REQUEST_SHAPE),
};

/** The module's options, checked once, and the one place where a task's options are merged. */
export class ResolvedOptions {
  readonly request: RequestSettings;
  readonly drainTimeoutMs: number;
  readonly remember: number;
  readonly logEvents: boolean;
  readonly carriers: Carriers;
  readonly queues: ReadonlyMap<string, QueueSettings>;
  private readonly defaults = new Map<string, TaskSettings>();

  /** @throws UnknownOptionError, InvalidOptionError */
  constructor(private readonly options: BackgroundTasksOptions) {
    checkShape<BackgroundTasksOptions>(options, '', MODULE_SHAPE);
    this.request = Object.freeze({ ...DEFAULT_REQUEST, ...defined(options.request) });
    if (this.request.order === 'concurrent' && this.request.onFailure === 'stop') {
      throw new InvalidOptionError(
        'request.onFailure',
        "'stop' needs order: 'sequential'; tasks that start together cannot stop each other.",
      );
    }
    this.drainTimeoutMs = milliseconds(options.drainTimeout ?? DEFAULT_DRAIN_TIMEOUT);
    this.remember = options.remember ?? DEFAULT_REMEMBER;
    this.logEvents = options.logEvents ?? false;
    this.carriers = new Carriers(options.carry);
    const queues: Record<string, QueueOptions | undefined> = {
      [DEFAULT_QUEUE]: {},
      ...options.queues,
    };
    this.queues = new Map(
      Object.entries(queues).map(([name, queue]) => [
        name,
        toQueueSettings(name, { engine: options.engine, ...defined(queue ?? {}) }),
      ]),
    );
    // Whatever each queue's defaults come to must be complete now, not at the first task.
    for (const name of this.queues.keys()) {
      this.defaults.set(name, this.defaultsFor(name));
    }
  }

  /**
   * @param call what was passed to `addTask()`
   * @param declared what stands on `@Background()`, checked at decoration
   * @throws UnknownOptionError, InvalidOptionError, UnknownQueueError
   */
  forTask(call: TaskOptions | undefined, declared: BackgroundOptions | undefined): TaskSettings {
    if (call !== undefined) {
      checkTaskOptions(call, '');
    }
    const queue = call?.queue ?? declared?.queue ?? DEFAULT_QUEUE;
    this.requireQueue(queue);
    const defaults = this.defaults.get(queue) ?? this.defaultsFor(queue);
    return call === undefined && declared === undefined
      ? defaults
      : this.merge(defaults, declared ?? {}, call ?? {});
  }

  /** @throws UnknownQueueError where a queue is named and not configured */
  requireQueue(queue: string | undefined): void {
    if (queue !== undefined && !this.queues.has(queue)) {
      const known = [...this.queues.keys()];
      throw new UnknownQueueError(queue, known, nearest(queue, known));
    }
  }

  /** What a task of the queue has that nobody said anything about. */
  private defaultsFor(queue: string): TaskSettings {
    const levels = [this.options, this.options.queues?.[queue] ?? {}] as const;
    const [{ priority: widest, timeout }, { priority = widest, timeout: narrower = timeout }] =
      levels;
    return Object.freeze({
      name: undefined,
      queue,
      priority: priority ?? 'normal',
      delayMs: 0,
      retry: mergeRetry(levels.map(({ retry }) => retry)),
      timeoutMs: toMilliseconds(narrower),
      when: 'success',
      dedupe: undefined,
      concurrencyKey: undefined,
      batch: undefined,
      profile: undefined,
    });
  }

  private merge(
    defaults: TaskSettings,
    declared: BackgroundOptions,
    call: TaskOptions,
  ): TaskSettings {
    const { queue, priority, timeoutMs } = defaults;
    const timeout = call.timeout ?? declared.timeout;
    return Object.freeze({
      name: call.name ?? declared.name,
      queue,
      priority: call.priority ?? declared.priority ?? priority,
      delayMs: milliseconds(call.delay ?? declared.delay ?? 0),
      retry: this.retryFor(defaults, declared.retry, call.retry),
      timeoutMs: timeout === undefined ? timeoutMs : milliseconds(timeout),
      when: call.when ?? declared.when ?? 'success',
      dedupe: toDedupe(call.dedupe ?? declared.dedupe),
      concurrencyKey: call.concurrencyKey ?? declared.concurrencyKey,
      batch: declared.batch && {
        size: declared.batch.size,
        waitMs: milliseconds(declared.batch.wait),
      },
      profile: declared.profile === true ? '.' : declared.profile || undefined,
    });
  }

  /** Most calls say nothing of it: what their queue has was checked and merged at start-up. */
  private retryFor(
    { queue, retry }: TaskSettings,
    ...narrower: readonly TaskOptions['retry'][]
  ): RetryPolicy {
    return narrower.every((level) => level === undefined)
      ? retry
      : mergeRetry([this.options.retry, this.options.queues?.[queue]?.retry, ...narrower]);
  }
}

/** From the widest level to the narrowest: `false` clears what was set before it. */
function mergeRetry(levels: readonly (false | RetryOptions | undefined)[]): RetryPolicy {
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
      'retry.attempts',
      'is missing here and at every wider level. Say how often the task is tried in all, ' +
        'for example retry: { attempts: 3 }.',
    );
  }
  return toPolicy({
    attempts,
    backoff: last('backoff'),
    delay: last('delay'),
    factor: last('factor'),
    maxDelay: last('maxDelay'),
    jitter: last('jitter'),
    retryIf: last('retryIf'),
  });
}

function toDedupe(options: DedupeOptions | undefined): TaskSettings['dedupe'] {
  return options && { key: options.key, windowMs: milliseconds(options.window ?? 0) };
}

function toQueueSettings(name: string, options: QueueOptions): QueueSettings {
  const { concurrency, concurrencyPerKey, maxPending, overflow, rateLimit, engine } = {
    ...DEFAULT_QUEUE_OPTIONS,
    ...defined(options),
  };
  return Object.freeze({
    name,
    concurrency,
    concurrencyPerKey,
    maxPending,
    overflow,
    engine,
    rateLimit: rateLimit && { max: rateLimit.max, perMs: milliseconds(rateLimit.per) },
  });
}

function toPolicy(options: RetryOptions & { attempts: number }): RetryPolicy {
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
      'retry.delay',
      `${describe(delay)} is longer than maxDelay, ${describe(maxDelay)}, and no ` +
        'wait may be. Each is set here or at a wider level: raise maxDelay, or shorten delay.',
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

function checkEngine(value: unknown, path: string): void {
  if (typeof (value as { create?: unknown } | null)?.create !== 'function') {
    throw new InvalidOptionError(
      path,
      `expected an engine such as journal({ path }), got ${describe(value)}.`,
    );
  }
}

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

/** `object` without its `undefined` entries, which would otherwise hide a wider level's. */
function defined<T extends object>(object: T | undefined): Partial<T> {
  return Object.fromEntries(
    Object.entries(object ?? {}).filter(([, value]) => value !== undefined),
  ) as Partial<T>;
}

/** For durations that were checked already. */
function milliseconds(duration: Duration): number {
  return toMilliseconds(duration) ?? 0;
}
