import { ShutDownError } from '../../errors/misuse.errors.js';
import { DEFAULT_KEEP } from '../../options/resolved-options.js';
import { lineFrom } from '../../task/line.js';
import { breaksChain } from '../../task/outcome.js';
import type { Task, TaskListener } from '../../task/task.js';
import { LEFT } from '../../task/verdict.js';
import type {
  DrainScope,
  Engine,
  EngineSetting,
  EngineSupport,
  QueueState,
  Restore,
} from '../engine.js';
import { Idleness } from '../idleness.js';
import type { KeptTasks } from '../kept-tasks.js';
import { atMost } from '../patience.js';
import type { BullMQSettings } from './bullmq-options.js';
import { linkOf } from './codec/stored-job.js';
import { CollectedTasks } from './commit/collected-tasks.js';
import { Producer } from './commit/producer.js';
import { Consumer } from './consumer/consumer.js';
import { HeldJobs, Reports } from './consumer/held-jobs.js';
import { JobLine } from './consumer/job-line.js';
import { Workers } from './consumer/workers.js';
import { Interventions } from './interventions.js';
import type { JobStore } from './store/job-store.js';
import { OwnHandles } from './view/own-handles.js';
import { StoredTasks } from './view/stored-tasks.js';

/** How often `whenIdle()` asks the store whether any tasks are left, in milliseconds. */
const ASK_IDLE_MS = 200;

/** How long the outcomes of the last moment may take to be recorded, in milliseconds. */
const RECORD_MS = 1_000;

/** How many settled tasks of a queue are kept by default. */
const KEEP = { ...DEFAULT_KEEP, ageMs: Infinity };
const REMEMBER = 1_000;

/** Keeps tasks in BullMQ, where other processes add and run tasks, too. */
export class BullMQEngine implements Engine {
  readonly kept: KeptTasks;
  private readonly support: EngineSupport;
  private readonly stored: StoredTasks;
  private readonly collected: CollectedTasks;
  private readonly producer: Producer;
  private readonly line: JobLine;
  private readonly handles: OwnHandles;
  private readonly held: HeldJobs;
  private readonly workers: Workers;
  private readonly consumer: Consumer;
  private readonly interventions: Interventions;
  private readonly listener: TaskListener;
  private readonly idleness = new Idleness();
  private makeAgain: Restore | undefined;
  private stopped: Promise<void> | undefined;

  constructor(
    private readonly setting: EngineSetting,
    private readonly settings: BullMQSettings,
    private readonly store: JobStore,
  ) {
    const { queues, worker, keep = KEEP, remember = REMEMBER } = setting;
    this.stored = new StoredTasks(store, settings.storage);
    this.collected = new CollectedTasks(queues, store);
    this.producer = new Producer(store, this.collected, worker, settings.holdMs);
    this.line = new JobLine(store);
    this.handles = new OwnHandles(store, (id) => this.held.has(id));
    this.held = new HeldJobs(store, worker, this.handles, this.idleness);
    this.workers = new Workers(queues, store, this.held, settings.lockDurationMs, {
      keep,
      remember,
    });
    const { stored, producer, held, workers, restore } = this;
    this.consumer = new Consumer(store, held, workers, restore, producer.id, settings);
    this.interventions = new Interventions(store, stored, producer, held, restore, this.withdraw);
    const reports = new Reports(store);
    this.listener = {
      awaited: (task) => this.handles.watch(task),
      progressed: (task) => reports.progressed(task),
      logged: (task, text) => reports.logged(task, text),
    };
    this.kept = {
      find: (id) => stored.find(id),
      list: (query) => stored.list(query),
      counts: (queue) => stored.counts(queue),
      forget: (id) => this.interventions.forget(id),
      cancel: (id) => this.interventions.cancel(id),
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

  /** Only the store knows duplicates, and reports them at the commit. */
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
    for (const task of released) {
      task.status = task.settings.delayMs > 0 ? 'delayed' : 'queued';
      task.letGo();
      this.handOver(task, task.hasHandle || this.settings.hasFallback);
    }
    this.idleness.check();
  }

  /** A hint only: the job links to its predecessor, which a worker checks if this process dies. */
  private async startAfter(prior: Task, task: Task): Promise<void> {
    const { chain } = task;
    const link = linkOf(task);
    const outcome = await prior.whenSettled();
    try {
      // A predecessor that this process has lost sight of may have completed.
      const hasFailed = outcome.status !== 'abandoned' && breaksChain(outcome);
      if (hasFailed && chain !== undefined && prior.chain === chain) {
        await this.line.breakOff(link);
      }
      await this.line.passOn(link);
    } catch {
      // The task has settled, or the engine has closed meanwhile.
    }
  }

  discard(task: Task): void {
    task.isOver = true;
    if (task.isCommitted) {
      // Another engine could not store its share of the request; this engine's share was or will be stored.
      void this.producer.takeBack(task);
    }
    this.collected.takeOut(task);
    this.idleness.check();
  }

  cancel(task: Task): boolean | Promise<boolean> {
    if (task.isOver) {
      return false;
    }
    return (!task.isCommitted && this.withdraw(task)) || this.cancelCommitted(task);
  }

  /** The task may be on its way to the store: a search too early would miss it, and it would land later. */
  private async cancelCommitted(task: Task): Promise<boolean> {
    await this.producer.whenStored(task);
    return !task.isOver && this.interventions.cancel(task.id, task);
  }

  /** Cancels a task that this process has not released yet. @returns `false` if it has */
  private readonly withdraw = (task: Task): boolean => {
    const isCollected = this.collected.has(task);
    if (isCollected) {
      this.discard(task);
      this.setting.worker.announce(task, { kind: 'cancelled' });
    }
    return isCollected;
  };

  setPaused(isPaused: boolean, queue?: string, isEverywhere = false): Promise<void> | void {
    if (!isPaused) {
      this.workers.resume('paused', queue);
    } else if (!isEverywhere) {
      this.workers.pause('paused', queue);
    }
    return isEverywhere ? this.stored.setPaused(isPaused, queue) : undefined;
  }

  /** None: stored tasks are listed by {@link kept}. */
  tasks(): Iterable<Task> {
    return [];
  }

  states(): Promise<QueueState[]> {
    return this.stored.states((queue) => this.workers.isPaused(queue));
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
      // BullMQ's workers on PostgreSQL stay dead if the store is down when they are made.
      this.store.ready().then(
        () => this.store.isClosing || this.consumer.start(),
        () => undefined, // closed before the store could be reached
      );
    }
  }

  async whenIdle(): Promise<void> {
    while (!this.store.isClosing) {
      await this.idleness.when(() => this.held.isEmpty && this.collected.isEmpty);
      const states = await this.stored.states(() => false).catch(() => undefined);
      if (states === undefined && this.settings.hasFallback && this.handles.isEmpty) {
        return; // the store is down, and has no unsettled task of this process
      }
      if (states?.every(({ running, pending }) => running + pending === 0)) {
        return;
      }
      await new Promise<void>((done) => void this.setting.clock.after(ASK_IDLE_MS, done));
    }
  }

  /** Tasks that have not started stay in the store, for other processes or the next start. */
  async drain(_deadline: number, awaited: DrainScope): Promise<void> {
    const { held, collected } = this;
    this.workers.pause('shutdown');
    const isDone = (): boolean => awaited !== 'collected' || collected.isEmpty;
    await this.idleness.when(() => held.isEmpty && isDone());
  }

  /** Runs once: a shutdown calls it several times, and attempts that outlast one grace outlast the next. */
  stop(graceMs: number): Promise<void> {
    return (this.stopped ??= this.giveUp(graceMs));
  }

  private async giveUp(graceMs: number): Promise<void> {
    const { clock } = this.setting;
    this.held.interrupt();
    const callOff = clock.after(graceMs, () => this.held.interrupt());
    // The wait is bounded for a store that is down: it finds the expired locks by itself.
    await atMost(clock, graceMs + RECORD_MS, this.held.whenEmpty());
    callOff();
  }

  async close(): Promise<void> {
    if (this.store.isClosing) {
      return;
    }
    this.store.isClosing = true;
    this.collected.close();
    const { clock } = this.setting;
    const closing = [this.producer.held.close(), this.workers.close(), this.handles.close()];
    await atMost(clock, RECORD_MS, Promise.allSettled(closing));
    await atMost(clock, RECORD_MS, this.store.close());
    this.handles.abandonAll();
  }

  private isToRun(task: Task): boolean {
    if (task.isOver || !this.collected.takeOut(task)) {
      return false;
    }
    if (!task.isCommitted) {
      // The application closes, and the task was never stored.
      task.isOver = true;
      this.setting.worker.announce(task, { kind: 'abandoned' });
    }
    return task.isCommitted;
  }

  private async retry(id: string): Promise<Task | undefined> {
    const task = await this.interventions.retry(id);
    if (task !== undefined) {
      this.handOver(task, true);
    }
    return task;
  }

  /** The store has the task, and any process may settle it. */
  private handOver(task: Task, isFollowed: boolean): void {
    this.setting.worker.announce(task, LEFT);
    this.handles.add(task, isFollowed);
  }

  private refuseClosed({ name }: Task): void {
    if (this.store.isClosing) {
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
