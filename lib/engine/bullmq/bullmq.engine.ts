import type { LoggerService } from '@nestjs/common';
import { InvalidOptionError, ShutDownError } from '../../errors/misuse.errors.js';
import type { Clock } from '../../task/clock.js';
import { lineFrom } from '../../task/line.js';
import { breaksChain, type Outcome } from '../../task/outcome.js';
import type { Task, TaskListener } from '../../task/task.js';
import { LEFT } from '../../task/verdict.js';
import type { TransactionClient } from '../../task/transaction-client.js';
import type {
  DrainScope,
  Engine,
  EngineFactory,
  EngineSetting,
  EngineSupport,
  QueueLimits,
  QueueState,
  Restore,
  Worker,
} from '../engine.js';
import { FallbackEngine } from '../fallback-engine.js';
import type { KeptTasks } from '../kept-tasks.js';
import { Idleness } from '../memory/idleness.js';
import { MemoryEngine } from '../memory/memory.engine.js';
import { DEFAULT_KEEP } from '../../options/resolved-options.js';
import { resolveBullMQOptions, type BullMQOptions, type BullMQSettings } from './bullmq-options.js';
import { Cancellation, listenerOf, storeView } from './cancellation.js';
import { CollectedTasks, PendingLimits } from './commit/collected-tasks.js';
import { Commits } from './commit/commits.js';
import { Consumers } from './consumer/consumers.js';
import { JobLine } from './consumer/job-line.js';
import type { JobStore, Retention } from './store/job-store.js';
import { PostgresStore } from './store/postgres-store.js';
import { RedisStore } from './store/redis-store.js';
import { OwnHandles } from './view/own-handles.js';
import { Producer } from './commit/producer.js';
import { Patience } from '../patience.js';
import { StoredSchedules } from './commit/stored-schedules.js';
import { Shutdown } from './shutdown.js';
import { linkOf } from './codec/stored-job.js';
import { StoredTasks } from './view/stored-tasks.js';

/** How often a store that is waited for is asked whether there is anything left, in milliseconds. */
const ASK_IDLE_MS = 200;

/** Where nobody says how many failed tasks of a queue are kept. */
const MOST_FAILED = 10_000;
const REMEMBER = 1_000;

/**
 * An engine that shares its tasks with other processes, through BullMQ on Redis, Valkey or
 * PostgreSQL. Delivery is at least once. Needs the packages `bullmq`, and `ioredis` or `pg`.
 *
 * @param options where the store is, and what this process does with it
 * @throws UnknownOptionError, InvalidOptionError
 */
export function bullmq(options: BullMQOptions): EngineFactory {
  const settings = resolveBullMQOptions(options);
  return {
    engine: 'bullmq',
    create(setting) {
      const engine = new BullMQEngine(setting, settings);
      const { worker, queues, keep, logger } = setting;
      if (keep !== undefined && keep.bytes !== DEFAULT_KEEP.bytes) {
        const names = queues.map(({ name }) => name).join(', ');
        logger.warn(
          `"keep.bytes" has no effect on BullMQ (${names}): use keep.count and keep.age.`,
        );
      }
      return settings.hasFallback
        ? new FallbackEngine(engine, new MemoryEngine(setting), worker, queues)
        : engine;
    },
  };
}

/** Keeps tasks in BullMQ, where other processes add and run them, too. */
export class BullMQEngine implements Engine {
  private readonly queues: readonly QueueLimits[];
  private readonly worker: Worker;
  private readonly clock: Clock;
  private readonly logger: LoggerService;
  private readonly support: EngineSupport;
  private readonly store: JobStore;
  private readonly producer: Producer;
  private readonly stored: StoredTasks;
  private readonly collected: CollectedTasks;
  private readonly consumers: Consumers;
  private readonly handles: OwnHandles;
  private readonly cancellation: Cancellation;
  private readonly idleness = new Idleness();
  private readonly commits: Commits;
  private readonly line: JobLine;
  private readonly shutdown: Shutdown;
  private makeAgain: Restore | undefined;
  /** Committed behind a task that had been committed before. */
  private readonly followers = new WeakSet<Task>();
  private isClosed = false;
  private readonly listener: TaskListener;
  private readonly retention: Retention;
  readonly kept: KeptTasks;

  constructor(
    setting: EngineSetting,
    private readonly settings: BullMQSettings,
  ) {
    const { queues, worker, clock, logger } = setting;
    for (const { name, overflow, concurrencyOfAll } of queues) {
      if (concurrencyOfAll !== undefined && settings.address.kind === 'postgres') {
        throw new InvalidOptionError(
          `queues.${name}.concurrency.all`,
          'is refused on PostgreSQL: while so many tasks run, idle workers would ask for tasks without a pause.',
        );
      }
      if (overflow !== 'reject') {
        throw new InvalidOptionError(
          `queues.${name}.overflow`,
          `'${overflow}' is impossible in a queue that processes share: none of them knows the oldest task.`,
        );
      }
    }
    const { keep = { count: MOST_FAILED, ageMs: Infinity }, remember = REMEMBER } = setting;
    this.retention = { keep, remember };
    this.queues = queues;
    this.worker = worker;
    this.clock = clock;
    this.logger = logger;
    const store = storeOf(settings, logger);
    const producer = new Producer(store, settings, clock, logger);
    const stored = new StoredTasks(
      store,
      clock,
      settings.commitTimeoutMs,
      this.restore,
      (args) => (settings.storage.serializer?.deserialize(args) ?? JSON.parse(args)) as unknown[],
    );
    const limits = new PendingLimits(queues, clock, (queue) => stored.pendingOf(queue));
    const consumers = new Consumers(queues, (isIdle) => this.idleness.when(isIdle));
    const collected = new CollectedTasks(queues, limits);
    const handles = new OwnHandles(store, clock, (id) => consumers.has(id));
    const { idleness } = this;
    const parts = { store, producer, stored, collected, consumers, handles, worker };
    const commits = new Commits(parts);
    const discard = (task: Task): void => this.discard(task);
    const cancellation = new Cancellation({ ...parts, commits, restore: this.restore, discard });
    this.store = store;
    this.support = {
      ...store.support,
      isProducer: !settings.isConsumer,
      storage: settings.storage,
      schedules: new StoredSchedules(
        store,
        producer.id,
        new Patience(clock, settings.commitTimeoutMs),
        (task) => worker.announce(task, LEFT),
      ),
      ...(store.addWithin && { storeWithin: this.storeWithin }),
    };
    this.producer = producer;
    this.stored = stored;
    this.collected = collected;
    this.consumers = consumers;
    this.handles = handles;
    this.cancellation = cancellation;
    this.commits = commits;
    this.line = new JobLine(store, clock);
    this.shutdown = new Shutdown({ ...parts, idleness, clock });
    this.kept = storeView({ ...parts, cancellation });
    this.listener = listenerOf(parts);
  }

  supportOf(): EngineSupport {
    return this.support;
  }

  /** Only the store knows, and it says so at commit. */
  duplicateOf(): undefined {
    return undefined;
  }

  admit(task: Task): void {
    if (this.isClosed) {
      throw new ShutDownError(task.name);
    }
    this.collected.admit(task);
    task.listener = this.listener;
  }

  commit(heads: readonly Task[], isHeld = false): Promise<void> | void {
    if (heads.length > 0) {
      heads.filter(({ prior }) => prior !== undefined).forEach((head) => this.followers.add(head));
      return this.commits.add(heads, isHeld);
    }
  }

  release(head: Task): PromiseLike<void> | void {
    const line = [...lineFrom(head)];
    const priors = line.map(({ prior }) => prior);
    const released = line.filter((task) => this.isToRun(task));
    this.producer.release(released);
    line.forEach((task, index) => {
      const prior = priors[index];
      if (prior !== undefined && this.followers.delete(task)) {
        void this.startAfter(prior, task);
      }
    });
    released.forEach((task) => this.handOver(task));
    this.idleness.check();
  }

  /** A hint only: its job knows whom it follows, and looks for itself should this process die. */
  private async startAfter(predecessor: Task, task: Task): Promise<void> {
    const outcome = await predecessor.whenSettled();
    if (task.chain !== undefined && predecessor.chain === task.chain && isFailure(outcome)) {
      await this.line.breakOff(linkOf(task)).catch(() => undefined); // settled, or closed meanwhile
    }
    const delayMs = this.cancellation.has(task) ? 0 : task.settings.delayMs;
    await this.producer.start(linkOf(task), delayMs);
  }

  discard(task: Task): void {
    task.isOver = true;
    if (task.isCommitted) {
      // Another engine's share of the request could not be stored, and this one's was, or will be.
      void this.commits.takeBack(task);
    }
    this.collected.takeOut(task);
    this.idleness.check();
  }

  cancel(task: Task): boolean | Promise<boolean> {
    return this.cancellation.cancelTask(task);
  }

  setPaused(isPaused: boolean, queue?: string, isEverywhere = false): Promise<void> | void {
    if (!isPaused) {
      this.consumers.resume(queue);
    } else if (!isEverywhere) {
      this.consumers.pause(queue);
    }
    return isEverywhere ? this.stored.setPaused(isPaused, queue) : undefined;
  }

  /** They are the store's to list. */
  tasks(): Iterable<Task> {
    return [];
  }

  states(): Promise<QueueState[]> {
    return this.stored.states((queue) => this.consumers.isPaused(queue));
  }

  ping(): Promise<void> {
    return this.stored.ping();
  }

  async open(restore: Restore): Promise<void> {
    this.makeAgain = restore;
    await this.store.open(this.queues.map(({ name }) => name));
  }

  start(): void {
    if (!this.settings.isConsumer) {
      return;
    }
    // BullMQ's workers on PostgreSQL stay dead if the store is not there when they are made.
    this.store.ready().then(
      () => this.consume(),
      () => undefined, // closed before it could be reached
    );
  }

  private consume(): void {
    if (this.isClosed) {
      return;
    }
    const { store, line, producer, settings, retention, restore, worker, clock, logger } = this;
    this.consumers.start({
      store,
      line,
      processId: producer.id,
      settings,
      retention,
      restore,
      worker,
      clock,
      logger,
      started: (task) => this.handles.started(task),
      settled: (task) => this.handles.settled(task),
      lost: (task) => this.handles.lost(task),
      freed: () => this.idleness.check(),
    });
  }

  async whenIdle(): Promise<void> {
    for (;;) {
      await this.idleness.when(() => this.consumers.isIdle && this.collected.isEmpty);
      const states = await this.stored.states(() => false).catch(() => undefined);
      if (states === undefined && this.settings.hasFallback && this.handles.isEmpty) {
        return; // the store is down, and has nothing of this process that is not over
      }
      if (states?.every(({ running, pending }) => running + pending === 0)) {
        return;
      }
      await new Promise<void>((done) => void this.clock.after(ASK_IDLE_MS, done));
    }
  }

  drain(_deadline: number, awaited: DrainScope): Promise<void> {
    return this.shutdown.drain(awaited);
  }

  stop(graceMs: number): Promise<void> {
    return this.shutdown.stop(graceMs);
  }

  async close(): Promise<void> {
    if (!this.isClosed) {
      this.isClosed = true;
      this.collected.close();
      this.line.close();
      this.stored.close();
      await this.shutdown.close();
    }
  }

  private isToRun(task: Task): boolean {
    if (task.isOver || !this.collected.takeOut(task)) {
      return false;
    }
    if (!task.isCommitted) {
      // The application closes, and nobody has stored it.
      task.isOver = true;
      this.worker.announce(task, { kind: 'abandoned' });
    }
    return task.isCommitted;
  }

  /** The store has it: whatever becomes of it, any process may tell. */
  private handOver(task: Task): void {
    task.status = task.settings.delayMs > 0 ? 'delayed' : 'queued';
    task.letGo();
    this.worker.announce(task, LEFT);
    this.handles.add(task);
  }

  private readonly storeWithin = async (client: TransactionClient, task: Task): Promise<string> => {
    if (this.isClosed) {
      throw new ShutDownError(task.name);
    }
    const id = await this.producer.addWithin(client, task);
    if (id === task.id) {
      this.worker.announce(task, LEFT);
    }
    return id;
  };

  private readonly restore: Restore = (...group) => {
    if (this.makeAgain === undefined) {
      throw new Error('The BullMQ engine is not open yet.');
    }
    const tasks = this.makeAgain(...group);
    tasks.forEach((task) => {
      task.listener = this.listener;
    });
    return tasks;
  };
}

/** The store that the options name; nothing is connected yet. */
function storeOf(settings: BullMQSettings, logger: LoggerService): JobStore {
  const { address, prefix, commitTimeoutMs } = settings;
  switch (address.kind) {
    case 'redis':
      return new RedisStore(address, prefix ?? 'bgt', commitTimeoutMs, logger);
    case 'postgres':
      return new PostgresStore(address, prefix ?? 'bullmq', commitTimeoutMs, logger);
  }
}

/** Whether it breaks a chain for sure: one that this process has lost sight of may have completed. */
function isFailure(outcome: Outcome): boolean {
  return outcome.status !== 'abandoned' && breaksChain(outcome);
}
