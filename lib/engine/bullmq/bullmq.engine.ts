import type { LoggerService } from '@nestjs/common';
import { InvalidOptionError, ShutDownError } from '../../errors/misuse.errors.js';
import { StoreUnavailableError } from '../../errors/storage.errors.js';
import type { Clock } from '../../task/clock.js';
import type { DropReason, Outcome } from '../../task/outcome.js';
import { MAX_LINES } from '../../task/log-lines.js';
import type { TaskStorage } from '../../task/stored-call.js';
import type { Task } from '../../task/task.js';
import type { TransactionClient } from '../../task/transaction-client.js';
import type {
  DrainScope,
  Engine,
  EngineSetting,
  EngineSupport,
  QueueLimits,
  QueueState,
  Restorer,
  SharedStore,
  Worker,
} from '../engine.js';
import { MemoryEngine } from '../memory/memory.engine.js';
import type { BullMQSettings } from './bullmq-options.js';
import { Consumer, type ConsumerHost } from './consumer.js';
import { Idleness } from '../memory/idleness.js';
import { atMost } from './at-most.js';
import { storable } from './job-signals.js';
import type { JobStore } from './job-store.js';
import { openStore } from './open-store.js';
import { PendingLimits } from './pending-limits.js';
import { Producer } from './producer.js';
import { RecentTasks } from './recent-tasks.js';
import { SettledElsewhere } from './settled-elsewhere.js';
import { linkOf, storedTaskOf, type TaskJob } from './stored-job.js';
import { StoredTasks } from './stored-tasks.js';
import { UnknownNames } from './unknown-names.js';

/** How often a store that is waited for is asked whether there is anything left, in milliseconds. */
const ASK_IDLE_MS = 200;
/** How long what ended in the last moment may take to be recorded, in milliseconds. */
const RECORD_MS = 1_000;

/** Keeps tasks in BullMQ, where other processes add and run them, too. */
export class BullMQEngine implements Engine {
  private readonly queues: readonly QueueLimits[];
  private readonly worker: Worker;
  private readonly clock: Clock;
  private readonly logger: LoggerService;
  private readonly elsewhere: (task: Task) => void;
  private readonly store: JobStore;
  private readonly producer: Producer;
  private readonly stored: StoredTasks;
  private readonly outside: SettledElsewhere;
  private readonly recent = new RecentTasks();
  private readonly consumers = new Map<string, Consumer>();
  private readonly paused = new Set<string>();
  private readonly idleness = new Idleness();
  private readonly memory: MemoryEngine | undefined;
  private readonly fallen = new WeakSet<Task>();
  private readonly limits: PendingLimits;
  /** Settled once the store has the task, or has not taken it. */
  private readonly commits = new WeakMap<Task, Promise<void>>();
  private restorer: Restorer | undefined;
  /** Admitted, and neither released nor discarded. */
  private readonly collected = new Map<string, Set<Task>>();
  private isDraining = false;
  private isClosed = false;
  private stopped: Promise<void> | undefined;

  constructor(
    setting: EngineSetting,
    private readonly settings: BullMQSettings,
  ) {
    const { queues, worker, clock, logger, elsewhere } = setting;
    for (const { name, overflow } of queues) {
      if (overflow !== 'reject') {
        throw new InvalidOptionError(
          `queues.${name}.overflow`,
          `'${overflow}' is not for a queue that processes share: which task is the oldest is for no one of them to say.`,
        );
      }
      this.collected.set(name, new Set());
    }
    this.queues = queues;
    this.worker = worker;
    this.clock = clock;
    this.logger = logger;
    this.elsewhere = elsewhere;
    this.store = openStore(settings, logger);
    this.producer = new Producer(this.store, settings, clock, logger);
    this.stored = new StoredTasks(
      this.store,
      clock,
      settings.commitTimeoutMs,
      () => this.restored,
      (args) => (settings.storage.serializer?.deserialize(args) ?? JSON.parse(args)) as unknown[],
    );
    this.limits = new PendingLimits(queues, clock, (queue) => this.stored.pendingOf(queue));
    this.outside = new SettledElsewhere(
      this.store,
      clock,
      (id) => [...this.consumers.values()].some((consumer) => consumer.has(id)),
      (task, outcome) => this.settleHandle(task, outcome),
    );
    this.shared = {
      find: (id) => this.stored.find(id),
      list: (query) => this.stored.list(query),
      counts: (queue) => this.stored.counts(queue),
      cancel: (id) => this.cancelStored(id),
      forget: (id) => this.stored.forget(id),
      retry: (id) => this.retry(id),
      states: () => this.stored.states((queue) => this.paused.has(queue)),
      watch: (task) => this.watch(task),
      progressed: (task) => this.progressed(task),
      logged: (task, line) => this.logged(task, line),
    };
    this.memory = settings.hasFallback ? new MemoryEngine(setting) : undefined;
  }

  readonly shared: SharedStore;

  storageOf(): TaskStorage {
    return this.settings.storage;
  }

  supportOf(): EngineSupport {
    return this.store.support;
  }

  /** Only the store knows, and it says so at commit. */
  duplicateOf(): undefined {
    return undefined;
  }

  admit(task: Task): void {
    if (this.isClosed) {
      throw new ShutDownError(task.name);
    }
    this.limits.admit(task.queue);
    this.collectedOf(task).add(task);
  }

  commit(tasks: readonly Task[], isHeld = false, after?: Task): Promise<void> {
    const stored = this.keep(tasks, isHeld, after);
    tasks.forEach((task) => this.commits.set(task, stored));
    return stored;
  }

  private async keep(
    tasks: readonly Task[],
    isHeld: boolean,
    after: Task | undefined,
  ): Promise<void> {
    if (tasks.length === 0) {
      return;
    }
    if (after !== undefined) {
      // Its job has to be there first: one that is not found counts as settled long ago.
      await this.commits.get(after)?.catch(() => undefined);
      if (this.memory !== undefined && this.fallen.has(after)) {
        return this.fallBack(this.memory, tasks);
      }
      if (hasBroken(after)) {
        tasks.forEach((task) => this.drop(task, 'predecessor-failed'));
        return;
      }
    }
    const lines = tasks.length === 1 ? [tasks] : this.restored.line(tasks).map(lineOf);
    try {
      const duplicates = await this.producer.add(lines, isHeld, after);
      duplicates.forEach((task) => this.drop(task, 'duplicate'));
    } catch (error) {
      if (this.memory === undefined || !(error instanceof StoreUnavailableError)) {
        throw error;
      }
      this.fallBack(this.memory, tasks);
    }
  }

  private fallBack(memory: MemoryEngine, tasks: readonly Task[]): void {
    for (const task of tasks) {
      memory.admit(task);
      this.forget(task);
      this.limits.takeBack(task.queue);
      this.fallen.add(task);
      this.worker.fallBack(task);
    }
  }

  private drop(task: Task, reason: DropReason): void {
    this.forget(task);
    this.limits.takeBack(task.queue);
    task.isOver = true;
    this.worker.announce(task, { kind: 'dropped', reason });
  }

  storeWithin(client: TransactionClient, task: Task): Promise<string> | undefined {
    if (this.isClosed) {
      throw new ShutDownError(task.name);
    }
    return this.producer.addWithin(client, task)?.then((id) => {
      if (id === task.id) {
        this.worker.leave(task);
      }
      return id;
    });
  }

  release(head: Task): PromiseLike<void> | void {
    if (this.memory !== undefined && this.fallen.has(head)) {
      return this.memory.release(head);
    }
    let last = head;
    for (let task: Task | undefined = head; task !== undefined; task = task.successor) {
      if (!this.collected.has(task.queue)) {
        // Another engine's: nobody here is told when its predecessor has settled elsewhere.
        const stranger = task;
        last.successor = undefined;
        void last.whenSettled().then(() => this.elsewhere(stranger));
        break;
      }
      last = task;
      this.handOver(task);
    }
    this.idleness.check();
  }

  follow(predecessor: Task, task: Task): void {
    if (this.memory !== undefined && this.fallen.has(task)) {
      const { memory } = this;
      if (this.fallen.has(predecessor)) {
        return memory.follow(predecessor, task);
      }
      void predecessor.whenSettled().then(() => memory.release(task));
      return;
    }
    this.handOver(task);
    this.idleness.check();
    // A hint only: its job knows whom it follows, and looks for itself should this process die.
    void predecessor
      .whenSettled()
      .then(() => this.producer.start(linkOf(task), task.settings.delayMs));
  }

  discard(task: Task): void {
    task.isOver = true;
    this.forget(task);
    this.limits.takeBack(task.queue);
    this.idleness.check();
  }

  cancel(task: Task): boolean | Promise<boolean> {
    if (this.memory !== undefined && this.fallen.has(task)) {
      return this.memory.cancel(task);
    }
    if (task.isOver) {
      return false;
    }
    if (!this.collectedOf(task).has(task)) {
      return this.cancelStored(task.id);
    }
    if (task.isCommitted) {
      return this.cancelCommitted(task);
    }
    this.discard(task);
    this.worker.announce(task, { kind: 'cancelled' });
    return true;
  }

  /** It may be on its way to the store: looked for too early it would not be found, and land later. */
  private async cancelCommitted(task: Task): Promise<boolean> {
    await this.commits.get(task)?.catch(() => undefined);
    if (this.memory !== undefined && this.fallen.has(task)) {
      return this.memory.cancel(task);
    }
    return !task.isOver && this.cancelStored(task.id, task);
  }

  pause(queue?: string): void {
    for (const { name } of this.some(queue)) {
      this.paused.add(name);
      void this.consumers.get(name)?.pause();
    }
    this.memory?.pause(queue);
  }

  resume(queue?: string): void {
    for (const { name } of this.some(queue)) {
      this.paused.delete(name);
      this.consumers.get(name)?.resume();
    }
    this.memory?.resume(queue);
  }

  /** Those of this process: the others are the store's to list. */
  *tasks(): Generator<Task> {
    yield* this.memory?.tasks() ?? [];
  }

  *states(): Generator<QueueState> {
    for (const { name } of this.queues) {
      yield {
        queue: name,
        running: this.consumers.get(name)?.running ?? 0,
        pending: this.collected.get(name)?.size ?? 0,
        oldestAddedAt: undefined,
        isPaused: this.paused.has(name),
      };
    }
  }

  ping(): Promise<void> {
    return this.stored.ping();
  }

  async open(restorer: Restorer): Promise<void> {
    this.restorer = restorer;
    await this.store.open(this.queues.map(({ name }) => name));
  }

  start(restorer: Restorer): void {
    void this.memory?.start(restorer);
    if (!this.settings.isConsumer) {
      return;
    }
    // BullMQ's workers on PostgreSQL stay dead if the store is not there when they are made.
    this.store.ready().then(
      () => this.consume(restorer),
      () => undefined, // closed before it could be reached
    );
  }

  private consume(restorer: Restorer): void {
    if (this.isClosed) {
      return;
    }
    const { store, producer, settings, worker, clock, logger } = this;
    const host: ConsumerHost = {
      store,
      producer,
      settings,
      restorer,
      worker,
      clock,
      logger,
      unknown: new UnknownNames(store.label, logger),
      started: (task) => this.recent.started(task),
      settled: (task) => this.settledHere(task),
      freed: () => this.idleness.check(),
    };
    for (const limits of this.queues) {
      const consumer = new Consumer(host, limits);
      this.consumers.set(limits.name, consumer);
      if (this.isDraining || this.paused.has(limits.name)) {
        void consumer.pause();
      }
      consumer.start();
    }
    store.listen(
      (id) => this.consumers.forEach((consumer) => consumer.cancel(id)),
      () => this.consumers.forEach((consumer) => void consumer.cancelMarked()),
    );
  }

  async whenIdle(): Promise<void> {
    for (;;) {
      await this.idleness.when(() => this.isIdle && !this.hasCollected);
      await this.memory?.whenIdle();
      const states = await this.stored.states(() => false).catch(() => undefined);
      if (states?.every(({ running, pending }) => running + pending === 0)) {
        return;
      }
      await new Promise<void>((done) => void this.clock.after(ASK_IDLE_MS, done));
    }
  }

  /** What has not been started stays in the store, for other processes or the next start. */
  async drain(deadline: number, awaited: DrainScope): Promise<void> {
    this.isDraining = true;
    this.consumers.forEach((consumer) => void consumer.pause());
    const own = this.idleness.when(
      () => this.isIdle && !(awaited === 'collected' && this.hasCollected),
    );
    await Promise.all([own, this.memory?.drain(deadline, awaited)]);
  }

  /** Once: a shutdown asks several times, and what did not end the first time will not the next. */
  stop(graceMs: number): Promise<void> {
    return (this.stopped ??= this.giveUp(graceMs));
  }

  private async giveUp(graceMs: number): Promise<void> {
    const memory = this.memory?.stop(graceMs);
    this.interrupt();
    const callOff = this.clock.after(graceMs, () => this.interrupt());
    // A store that is down would be waited for: it finds out by itself that nobody runs them here.
    const idle = this.idleness.when(() => this.isIdle);
    await atMost(this.clock, graceMs + RECORD_MS, idle);
    callOff();
    await memory;
  }

  async close(): Promise<void> {
    if (this.isClosed) {
      return;
    }
    this.isClosed = true;
    const closing = Promise.allSettled([
      this.producer.close(),
      ...[...this.consumers.values()].map((consumer) => consumer.close()),
      this.outside.close(),
    ]);
    await atMost(this.clock, RECORD_MS, closing);
    await atMost(this.clock, RECORD_MS, this.store.close());
    await this.memory?.close();
    for (const task of [...this.recent.all, ...this.outside.tasks]) {
      this.settleUnknown(task);
    }
  }

  /** Others go on with it, and this process will not know. */
  private settleUnknown(task: Task): void {
    if (task.outcome === undefined) {
      this.settleHandle(task, { status: 'abandoned', attempts: task.attempts });
    }
  }

  private async retry(id: string): Promise<Task | undefined> {
    const task = await this.stored.retry(id);
    if (task !== undefined) {
      this.worker.leave(task);
      this.recent.add(task);
    }
    return task;
  }

  private watch(task: Task): void {
    if (task.isOver || this.fallen.has(task) || !this.recent.has(task)) {
      return;
    }
    if (this.isClosed) {
      // Not before whoever asks has begun to wait.
      void Promise.resolve().then(() => this.settleUnknown(task));
    } else {
      this.outside.watch(task);
    }
  }

  /** For those who look from another process; lost where the store does not take it at once. */
  private progressed({ id, queue, progress }: Task): void {
    const json = JSON.stringify(progress);
    const told = this.store.queue(queue).backend.updateProgress(id, { json });
    told.catch(() => undefined);
  }

  /** As {@link progressed}. */
  private logged({ id, queue }: Task, line: string): void {
    const told = this.store.queue(queue).backend.addLog(id, storable(line), MAX_LINES);
    told.catch(() => undefined);
  }

  /** @param own the task, where it is this process that has yet to release it */
  private async cancelStored(id: string, own?: Task): Promise<boolean> {
    for (const consumer of this.consumers.values()) {
      if (consumer.cancel(id)) {
        return true;
      }
    }
    const job = await this.stored.job(id);
    const state = await job?.getState();
    if (job === undefined || state === 'completed' || state === 'failed' || state === 'unknown') {
      return false;
    }
    const { next, prior, isInChain } = job.data;
    const isAlone = next === undefined && prior === undefined && isInChain === undefined;
    if (isAlone && state !== 'active' && (await this.remove(job, own))) {
      return true;
    }
    // Whoever has it or gets it next ends it; its line goes on from there.
    await job.updateData({ ...job.data, isCancelled: true });
    await this.store.tellCancel(id);
    if (prior === undefined && state === 'delayed' && !this.isCollected(own)) {
      await this.producer.start({ queue: job.queueName, id }, 0);
    }
    return true;
  }

  private async remove(job: TaskJob, own: Task | undefined): Promise<boolean> {
    try {
      await job.remove();
    } catch {
      return false; // a worker has taken it meanwhile
    }
    if (own !== undefined && this.isCollected(own)) {
      this.discard(own);
      this.producer.retract(linkOf(own));
      this.worker.announce(own, { kind: 'cancelled' });
      return true;
    }
    const isReturning = job.data.by === this.producer.id;
    const [task] = this.restored.restore([storedTaskOf(job)], isReturning);
    if (task !== undefined) {
      task.isOver = true;
      this.worker.announce(task, { kind: 'cancelled' });
      this.settledHere(task);
    }
    return true;
  }

  /** The store has it: whatever becomes of it, any process may tell. */
  private handOver(task: Task): void {
    if (task.isOver || !this.collectedOf(task).delete(task)) {
      return;
    }
    task.status = task.settings.delayMs > 0 ? 'delayed' : 'queued';
    this.producer.release(task);
    task.letGo();
    this.worker.leave(task);
    this.recent.add(task);
  }

  /** Settled here as another object: the one that this process gave a handle of follows. */
  private settledHere({ id, outcome }: Task): void {
    const task = this.recent.get(id);
    if (task !== undefined && outcome !== undefined) {
      this.settleHandle(task, outcome);
    }
  }

  private settleHandle(task: Task, outcome: Outcome): void {
    this.recent.delete(task.id);
    this.outside.forget(task.id);
    task.isOver = true;
    if (task.chain !== undefined && outcome.status !== 'completed') {
      task.chain.isBroken = true;
    }
    task.hasCompleted = outcome.status === 'completed';
    task.settle(outcome);
  }

  private forget(task: Task): void {
    this.collectedOf(task).delete(task);
  }

  private collectedOf({ queue }: Task): Set<Task> {
    const tasks = this.collected.get(queue);
    if (tasks === undefined) {
      throw new Error(`The BullMQ engine has no queue "${queue}".`);
    }
    return tasks;
  }

  private isCollected(task: Task | undefined): boolean {
    return task !== undefined && this.collectedOf(task).has(task);
  }

  private get restored(): Restorer {
    if (this.restorer === undefined) {
      throw new Error('The BullMQ engine is not open yet.');
    }
    return this.restorer;
  }

  private get hasCollected(): boolean {
    return [...this.collected.values()].some(({ size }) => size > 0);
  }

  private get isIdle(): boolean {
    return [...this.consumers.values()].every(({ running }) => running === 0);
  }

  private some(queue: string | undefined): readonly QueueLimits[] {
    return this.queues.filter(({ name }) => queue === undefined || queue === name);
  }

  private interrupt(): void {
    this.consumers.forEach((consumer) => consumer.interrupt());
  }
}

/** Whether what follows in its chain has to do without it, though no job in the store says so. */
function hasBroken({ chain, outcome }: Task): boolean {
  switch (outcome?.status) {
    case undefined:
    case 'completed':
      return false;
    case 'dropped':
      return chain !== undefined && outcome.reason !== 'duplicate';
    default:
      return chain !== undefined;
  }
}

function lineOf(head: Task): Task[] {
  const line: Task[] = [];
  for (let task: Task | undefined = head; task !== undefined; task = task.successor) {
    line.push(task);
  }
  return line;
}
