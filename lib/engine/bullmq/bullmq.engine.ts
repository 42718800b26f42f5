import type { LoggerService } from '@nestjs/common';
import { InvalidOptionError, ShutDownError } from '../../errors/misuse.errors.js';
import { lineFrom } from '../../task/line.js';
import { breaksChain } from '../../task/outcome.js';
import type { Task, TaskListener } from '../../task/task.js';
import { LEFT } from '../../task/verdict.js';
import type {
  DrainScope,
  Engine,
  EngineFactory,
  EngineSetting,
  EngineSupport,
  QueueLimits,
  QueueState,
  Restore,
} from '../engine.js';
import { FallbackEngine } from '../fallback-engine.js';
import type { KeptTasks } from '../kept-tasks.js';
import { Idleness } from '../memory/idleness.js';
import { MemoryEngine } from '../memory/memory.engine.js';
import { DEFAULT_KEEP } from '../../options/resolved-options.js';
import { atMost } from '../patience.js';
import { resolveBullMQOptions, type BullMQOptions, type BullMQSettings } from './bullmq-options.js';
import { Cancellation } from './cancellation.js';
import { linkOf } from './codec/stored-job.js';
import { CollectedTasks } from './commit/collected-tasks.js';
import { Producer } from './commit/producer.js';
import { Consumers } from './consumer/consumers.js';
import { JobLine } from './consumer/job-line.js';
import type { JobStore } from './store/job-store.js';
import { PostgresStore } from './store/postgres-store.js';
import { RedisStore } from './store/redis-store.js';
import { Persistence } from './store/store-errors.js';
import { OwnHandles } from './view/own-handles.js';
import { Reports } from './view/reports.js';
import { StoredTasks } from './view/stored-tasks.js';

/** How often a store that is waited for is asked whether there is anything left, in milliseconds. */
const ASK_IDLE_MS = 200;

/** How long what ended in the last moment may take to be recorded, in milliseconds. */
const RECORD_MS = 1_000;

/** What is kept of a queue's settled tasks where nobody says how much. */
const KEEP = { ...DEFAULT_KEEP, ageMs: Infinity };
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
  private readonly store: JobStore;
  private readonly support: EngineSupport;
  private readonly persistence: Persistence;
  private readonly line: JobLine;
  private readonly stored: StoredTasks;
  private readonly collected: CollectedTasks;
  private readonly producer: Producer;
  private readonly consumers: Consumers;
  private readonly handles: OwnHandles;
  private readonly cancellation: Cancellation;
  private readonly listener: TaskListener;
  private readonly idleness = new Idleness();
  private makeAgain: Restore | undefined;
  private stopped: Promise<void> | undefined;
  private isClosed = false;
  readonly kept: KeptTasks;

  constructor(
    private readonly setting: EngineSetting,
    private readonly settings: BullMQSettings,
  ) {
    const { queues, clock, logger } = setting;
    queues.forEach((limits) => refuseUnsupported(limits, settings));
    const store = storeOf(settings, logger);
    const persistence = new Persistence(clock);
    const reports = new Reports(store);
    const { restore, idleness } = this;
    this.store = store;
    this.persistence = persistence;
    this.line = new JobLine(store, persistence);
    this.stored = new StoredTasks(store, clock, settings, restore);
    this.collected = new CollectedTasks(queues, clock, (queue) => this.stored.pendingOf(queue));
    this.handles = new OwnHandles(store, clock, (id) => this.consumers.has(id));
    const { stored, collected, handles } = this;
    const parts = { ...setting, store, persistence, stored, collected, handles, idleness };
    this.producer = new Producer({ ...parts, settings });
    const { producer } = this;
    const { keep = KEEP, remember = REMEMBER } = setting;
    const retention = { keep, remember };
    this.consumers = new Consumers({
      ...parts,
      settings,
      restore,
      retention,
      processId: producer.id,
    });
    const { consumers } = this;
    const discard = (task: Task): void => this.discard(task);
    this.cancellation = new Cancellation({ ...parts, producer, consumers, restore, discard });
    this.listener = {
      awaited: (task) => handles.watch(task),
      progressed: (task) => reports.progressed(task),
      logged: (task, text) => reports.logged(task, text),
    };
    this.kept = {
      find: (id) => stored.find(id),
      list: (query) => stored.list(query),
      counts: (queue) => stored.counts(queue),
      forget: (id) => stored.forget(id),
      cancel: (id) => this.cancellation.cancel(id),
      retry: (id) => this.retry(id),
    };
    this.support = {
      engine: `BullMQ on ${store.kind}`,
      isShared: true,
      isProducer: !settings.isConsumer,
      storage: settings.storage,
      schedules: producer.schedules,
      ...(store.addWithin && {
        storeWithin: async (client, task) => {
          this.refuseClosed(task);
          return producer.addWithin(client, task);
        },
      }),
    };
  }

  supportOf(): EngineSupport {
    return this.support;
  }

  /** Only the store knows, and it says so at commit. */
  duplicateOf(): undefined {
    return undefined;
  }

  admit(task: Task): void {
    this.refuseClosed(task);
    this.collected.admit(task);
    task.listener = this.listener;
  }

  commit(heads: readonly Task[], isHeld = false): Promise<void> | void {
    return heads.length === 0 ? undefined : this.producer.commit(heads, isHeld);
  }

  release(head: Task): PromiseLike<void> | void {
    const released = lineFrom(head).filter((task) => this.isToRun(task));
    this.producer.release(released);
    for (const task of released) {
      const { prior } = task;
      if (prior !== undefined && !this.producer.isLinked(task)) {
        void this.startAfter(prior, task);
      }
    }
    released.forEach((task) => this.handOver(task));
    this.idleness.check();
  }

  /** A hint only: its job knows whom it follows, and looks for itself should this process die. */
  private async startAfter(prior: Task, task: Task): Promise<void> {
    const { chain } = task;
    const link = linkOf(task);
    const outcome = await prior.whenSettled();
    try {
      // One that this process has lost sight of may have completed.
      const hasFailed = outcome.status !== 'abandoned' && breaksChain(outcome);
      if (hasFailed && chain !== undefined && prior.chain === chain) {
        await this.line.breakOff(link);
      }
      await this.line.passOn(link);
    } catch {
      // It has settled, or the engine closed meanwhile.
    }
  }

  discard(task: Task): void {
    task.isOver = true;
    if (task.isCommitted) {
      // Another engine's share of the request could not be stored, and this one's was, or will be.
      void this.producer.takeBack(task);
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
    await this.store.open(this.setting.queues.map(({ name }) => name));
  }

  start(): void {
    if (this.settings.isConsumer) {
      // BullMQ's workers on PostgreSQL stay dead if the store is not there when they are made.
      this.store.ready().then(
        () => this.isClosed || this.consumers.start(),
        () => undefined, // closed before it could be reached
      );
    }
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
      await new Promise<void>((done) => void this.setting.clock.after(ASK_IDLE_MS, done));
    }
  }

  /** What has not been started stays in the store, for other processes or the next start. */
  async drain(_deadline: number, awaited: DrainScope): Promise<void> {
    const { consumers, collected } = this;
    consumers.drain();
    const isDone = (): boolean => awaited !== 'collected' || collected.isEmpty;
    await this.idleness.when(() => consumers.isIdle && isDone());
  }

  /** Once: a shutdown asks several times, and what did not end the first time will not the next. */
  stop(graceMs: number): Promise<void> {
    return (this.stopped ??= this.giveUp(graceMs));
  }

  private async giveUp(graceMs: number): Promise<void> {
    const { consumers } = this;
    const { clock } = this.setting;
    consumers.interrupt();
    const callOff = clock.after(graceMs, () => consumers.interrupt());
    // A store that is down would be waited for: it finds out by itself that nobody runs them here.
    const idle = this.idleness.when(() => consumers.isIdle);
    await atMost(clock, graceMs + RECORD_MS, idle);
    callOff();
  }

  async close(): Promise<void> {
    if (this.isClosed) {
      return;
    }
    this.isClosed = true;
    this.collected.close();
    this.persistence.close();
    this.stored.close();
    const { clock } = this.setting;
    const closing = [this.producer.close(), ...this.consumers.close(), this.handles.close()];
    await atMost(clock, RECORD_MS, Promise.allSettled(closing));
    await atMost(clock, RECORD_MS, this.store.close());
    this.handles.abandonAll();
  }

  private isToRun(task: Task): boolean {
    if (task.isOver || !this.collected.takeOut(task)) {
      return false;
    }
    if (!task.isCommitted) {
      // The application closes, and nobody has stored it.
      task.isOver = true;
      this.setting.worker.announce(task, { kind: 'abandoned' });
    }
    return task.isCommitted;
  }

  /** The store has it: whatever becomes of it, any process may tell. */
  private handOver(task: Task): void {
    task.status = task.settings.delayMs > 0 ? 'delayed' : 'queued';
    task.letGo();
    this.setting.worker.announce(task, LEFT);
    this.handles.add(task);
  }

  private async retry(id: string): Promise<Task | undefined> {
    const task = await this.stored.retry(id);
    if (task !== undefined) {
      this.setting.worker.announce(task, LEFT);
      this.handles.add(task);
    }
    return task;
  }

  private refuseClosed({ name }: Task): void {
    if (this.isClosed) {
      throw new ShutDownError(name);
    }
  }

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

function refuseUnsupported(limits: QueueLimits, { address }: BullMQSettings): void {
  const { name, overflow, concurrencyOfAll } = limits;
  if (concurrencyOfAll !== undefined && address.kind === 'postgres') {
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
