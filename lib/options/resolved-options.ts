import type { KeepLimits } from '../engine/engine.js';
import { InvalidOptionError, UnknownQueueError } from '../errors/misuse.errors.js';
import { milliseconds, toMilliseconds, type Duration } from '../task/duration.js';
import type {
  BackgroundOptions,
  DedupeOptions,
  RetryPolicy,
  TaskOptions,
  TaskSettings,
} from '../task/task-options.js';
import { Carriers } from './carriers.js';
import { checkString, nearest } from './checks.js';
import { mergeRetry } from './merge-retry.js';
import type {
  BackgroundTasksOptions,
  KeepOptions,
  QueueOptions,
  QueueSettings,
  RequestSettings,
} from './module-options.js';
import { checkModuleOptions } from './module-options.shape.js';
import { checkTaskOptions } from './task-options.shape.js';

const DEFAULT_QUEUE = 'default';
const DEFAULT_QUEUE_OPTIONS = {
  concurrency: 10,
  concurrencyPerKey: 1,
  maxPending: 100_000,
  overflow: 'reject',
} satisfies QueueOptions;
const DEFAULT_REMEMBER = 1_000;
export const DEFAULT_KEEP = { count: 10_000, bytes: 67_108_864 } satisfies KeepOptions;
const DEFAULT_REQUEST: RequestSettings = { order: 'sequential', onFailure: 'continue' };
const DEFAULT_DRAIN_TIMEOUT: Duration = '10s';

/**
 * The module's options, checked once. This is the only place where the options of a task are
 * merged.
 */
export class ResolvedOptions {
  readonly request: RequestSettings;
  readonly drainTimeoutMs: number;
  readonly remember: number;
  readonly keep: KeepLimits;
  readonly logEvents: boolean;
  readonly carriers: Carriers;
  readonly queues: ReadonlyMap<string, QueueSettings>;
  private readonly defaults = new Map<string, TaskSettings>();

  /** @throws UnknownOptionError, InvalidOptionError */
  constructor(private readonly options: BackgroundTasksOptions) {
    checkModuleOptions(options, '');
    this.request = Object.freeze({ ...DEFAULT_REQUEST, ...defined(options.request) });
    if (this.request.order === 'concurrent' && this.request.onFailure === 'stop') {
      throw new InvalidOptionError(
        'request.onFailure',
        "'stop' needs order: 'sequential'; tasks that start together cannot stop each other.",
      );
    }
    this.drainTimeoutMs = milliseconds(options.drainTimeout ?? DEFAULT_DRAIN_TIMEOUT);
    this.remember = options.remember ?? DEFAULT_REMEMBER;
    const { count, bytes, age } = { ...DEFAULT_KEEP, age: undefined, ...defined(options.keep) };
    this.keep = { count, bytes, ageMs: toMilliseconds(age) ?? Number.POSITIVE_INFINITY };
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
    // Incomplete defaults of a queue must fail now, not at the first task.
    for (const name of this.queues.keys()) {
      this.defaults.set(name, this.defaultsFor(name));
    }
  }

  /**
   * @param call the options passed to `addTask()`
   * @param declared the options of `@Background()`, checked at decoration
   * @param place of `declared`, for errors; the stack shows where a call is
   * @throws UnknownOptionError, InvalidOptionError, UnknownQueueError
   */
  forTask(
    call: TaskOptions | undefined,
    declared: BackgroundOptions | undefined,
    place?: string,
  ): TaskSettings {
    if (call !== undefined) {
      checkTaskOptions(call, '');
    }
    const queue = call?.queue ?? declared?.queue ?? DEFAULT_QUEUE;
    this.requireQueue(queue, place);
    const defaults = this.defaults.get(queue) ?? this.defaultsFor(queue);
    return call === undefined && declared === undefined
      ? defaults
      : this.merge(defaults, declared ?? {}, call ?? {}, place);
  }

  /** @throws UnknownQueueError if the queue is not configured, InvalidOptionError if it is no name */
  requireQueue(queue: string | undefined, place?: string): void {
    if (queue !== undefined && !this.queues.has(queue)) {
      checkString(queue, 'queue');
      const known = [...this.queues.keys()];
      throw new UnknownQueueError(queue, known, nearest(queue, known), place);
    }
  }

  /** The settings of a task that has no options of its own. */
  private defaultsFor(queue: string): TaskSettings {
    const levels = [this.options, this.options.queues?.[queue] ?? {}] as const;
    const [{ priority: widest, timeout }, { priority = widest, timeout: narrower = timeout }] =
      levels;
    return Object.freeze({
      name: undefined,
      queue,
      priority: priority ?? 'normal',
      delayMs: 0,
      retry: mergeRetry(
        levels.map(({ retry }) => retry),
        levels[1].retry === undefined ? 'retry' : `queues.${queue}.retry`,
      ),
      timeoutMs: toMilliseconds(narrower),
      waitForEnd: false,
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
    place: string | undefined,
  ): TaskSettings {
    const { queue, priority, timeoutMs } = defaults;
    const timeout = call.timeout ?? declared.timeout;
    return Object.freeze({
      name: call.name ?? declared.name,
      queue,
      priority: call.priority ?? declared.priority ?? priority,
      delayMs: milliseconds(call.delay ?? declared.delay ?? 0),
      retry: this.retryFor(defaults, declared.retry, call.retry, place),
      timeoutMs: timeout === undefined ? timeoutMs : milliseconds(timeout),
      waitForEnd: call.waitForEnd ?? declared.waitForEnd ?? false,
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

  /** Most calls have no retry options: those of the queue were checked and merged at start-up. */
  private retryFor(
    { queue, retry }: TaskSettings,
    declared: TaskOptions['retry'],
    called: TaskOptions['retry'],
    place: string | undefined,
  ): RetryPolicy {
    return declared === undefined && called === undefined
      ? retry
      : mergeRetry(
          [this.options.retry, this.options.queues?.[queue]?.retry, declared, called],
          place === undefined ? 'retry' : `${place}.retry`,
        );
  }
}

function toDedupe(options: DedupeOptions | undefined): TaskSettings['dedupe'] {
  return (
    options && {
      key: options.key,
      windowMs: milliseconds(options.window ?? 0),
      again: options.again ?? false,
    }
  );
}

function toQueueSettings(name: string, options: QueueOptions): QueueSettings {
  const { concurrency, concurrencyPerKey, maxPending, overflow, rateLimit, engine } = {
    ...DEFAULT_QUEUE_OPTIONS,
    ...defined(options),
  };
  const shared = typeof concurrency === 'number' ? undefined : concurrency;
  const each =
    typeof concurrency === 'number' ? concurrency : (concurrency.each ?? concurrency.all);
  return Object.freeze({
    name,
    concurrency: Math.min(each, shared?.all ?? each),
    concurrencyOfAll: shared?.all,
    concurrencyPerKey,
    maxPending,
    overflow,
    engine,
    rateLimit: rateLimit && { max: rateLimit.max, perMs: milliseconds(rateLimit.per) },
  });
}

/** `object` without its `undefined` entries, which would otherwise hide a wider level's. */
function defined<T extends object>(object: T | undefined): Partial<T> {
  return Object.fromEntries(
    Object.entries(object ?? {}).filter(([, value]) => value !== undefined),
  ) as Partial<T>;
}
