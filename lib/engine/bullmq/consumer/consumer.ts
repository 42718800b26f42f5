import { TaskCrashedError } from '../../../errors/storage.errors.js';
import type { Task } from '../../../task/task.js';
import type { QueueLimits } from '../../engine.js';
import { TaskRetries, type StoredEnd } from '../codec/stored-end.js';
import { FORMAT, storedTaskOf, type TaskJob } from '../codec/stored-job.js';
import type { JobWorker, WorkerLimits } from '../store/job-store.js';
import { type ConsumerHost, HeldJobs, type Held } from './held-jobs.js';
import { JobEnding, JobLine } from './job-line.js';

/** How long BullMQ waits before it tries again to take or to record a job, in milliseconds. */
const AGAIN_MS = 500;
/** How long a task whose predecessor is not over waits before it looks again. */
const LOOK_AGAIN_MS = 5_000;
/** How long a task that cannot be made here is left to other processes: at first, and at the longest. */
const LEAVE_MS = { first: 100, longest: 30_000 };
/** So long this worker takes nothing then, at most so often: else many such tasks would stop it. */
const SIT_OUT = { forMs: 100, everyMs: 1_000 };
/** PostgreSQL counts in 32 bits. */
const NO_LIMIT = 2 ** 31 - 1;
const MOST_AT_ONCE = 100_000;

/** Takes one queue's tasks from the store, and has them attempted. */
export class Consumer {
  private readonly held: HeldJobs;
  private readonly line: JobLine;
  private readonly ending: JobEnding;
  /** Once it has started. */
  private worker: JobWorker | undefined;
  /** Why nothing is taken. */
  private readonly reasons = new Set<string>();
  private readonly unknownNames = new Set<string>();
  private satOutAt = Number.NEGATIVE_INFINITY;
  private isStopping = false;
  private isClosed = false;

  /** @param alone runs nothing of this process beside what it is given */
  constructor(
    private readonly host: ConsumerHost,
    private readonly limits: QueueLimits,
    private readonly alone: <T>(act: () => Promise<T>) => Promise<T>,
  ) {
    this.held = new HeldJobs(host);
    this.line = new JobLine(host.store, host.persistence);
    this.ending = new JobEnding(host, this.held, this.line);
  }

  get name(): string {
    return this.limits.name;
  }

  get running(): number {
    return this.held.size;
  }

  /** How many bodies run. */
  get attempting(): number {
    return this.held.tasks.filter(({ attempt }) => attempt !== undefined).length;
  }

  has(id: string): boolean {
    return this.held.has(id);
  }

  start(): void {
    const { settings, store, retention } = this.host;
    const { name, concurrency, rateLimit } = this.limits;
    const options: WorkerLimits = {
      concurrency: Math.min(concurrency, MOST_AT_ONCE),
      ...(rateLimit && { limiter: { max: rateLimit.max, duration: rateLimit.perMs } }),
      lockDuration: settings.lockDurationMs,
      stalledInterval: settings.lockDurationMs,
      // How often is enough is decided here: a task that BullMQ fails by itself would strand its line.
      maxStalledCount: NO_LIMIT,
      runRetryDelay: AGAIN_MS,
      settings: {
        backoffStrategy: (_attempts, _type, error) =>
          error instanceof TaskRetries ? Math.ceil(error.delayMs) : -1,
      },
    };
    const worker = store.worker(name, options, retention, {
      process: (job) => this.process(job),
      isOpen: () => this.isOpen,
      isClosed: () => this.isClosed,
      declined: () => void this.wakeAnother(),
      over: (job) => {
        if (!this.isClosed) {
          this.held.over(job);
        }
      },
    });
    worker.on('completed', (job) => this.held.recorded(job));
    worker.on('failed', (job) => this.held.recorded(job));
    this.worker = worker;
    if (this.reasons.size > 0) {
      worker.pause(true).catch(() => undefined);
    }
    // Rejects only where it could not begin at all; what goes wrong later is the error listener's.
    worker.run().catch(() => undefined);
    void this.limitAll();
  }

  /** Takes no more, until there is no reason left; what runs goes on. */
  pause(reason: string): void {
    this.reasons.add(reason);
    this.worker?.pause(true).catch(() => undefined);
  }

  resume(reason: string): void {
    if (this.reasons.delete(reason) && this.reasons.size === 0 && !this.isClosed) {
      this.worker?.resume().catch(() => undefined);
    }
  }

  isPausedBy(reason: string): boolean {
    return this.reasons.has(reason);
  }

  /** @returns whether it is here */
  cancel(id: string): boolean {
    return this.held.cancel(id);
  }

  /** Cancels what was marked while nobody here could hear of it. */
  async cancelMarked(): Promise<void> {
    for (const { queue, id } of this.held.tasks) {
      const job = await this.host.store
        .queue(queue)
        .getJob(id)
        .catch(() => undefined);
      if (job?.data.isCancelled) {
        this.cancel(id);
      }
    }
  }

  interrupt(): void {
    this.isStopping = true;
    this.held.interrupt();
  }

  /** Whatever is still under way is left to the store, which gives it to another worker. */
  async close(): Promise<void> {
    this.isClosed = true;
    // Without force it would wait for ever where the store is down.
    await this.worker?.close(true);
    await this.wakeAnother();
  }

  /** It may have been woken for a job, in the place of another worker. */
  private async wakeAnother(): Promise<void> {
    await this.host.store.wake(this.name).catch(() => undefined);
  }

  private get isOpen(): boolean {
    return !this.isClosed && this.reasons.size === 0;
  }

  /** Kept with the queue, also for processes that know nothing of it: the latest to start decides. */
  private async limitAll(): Promise<void> {
    const { persistence, store } = this.host;
    const { concurrencyOfAll } = this.limits;
    const queue = store.queue(this.name);
    const limit = (): Promise<unknown> =>
      concurrencyOfAll === undefined
        ? queue.removeGlobalConcurrency()
        : queue.setGlobalConcurrency(concurrencyOfAll);
    await persistence.untilAnswered(limit).catch(() => undefined); // closed meanwhile
  }

  private process(job: TaskJob): Promise<StoredEnd> {
    if (!this.isOpen) {
      // It was asked for, together with the end of the one before it, when this worker was not paused.
      return this.ending.putBack(job);
    }
    let task: Task | undefined;
    try {
      task = this.restore(job);
    } catch (error) {
      return this.leaveToOthers(job, String(error));
    }
    return task === undefined ? this.leaveToOthers(job) : this.run(this.held.hold(task, job));
  }

  /** @throws where it cannot be made again here, or those that it is linked to are not to be found */
  private restore(job: TaskJob): Task | undefined {
    const { v, prior, needs, next } = job.data;
    if (v !== FORMAT) {
      return undefined;
    }
    for (const link of [prior, needs, next]) {
      void (link && this.host.store.queue(link.queue));
    }
    const isReturning = job.data.by === this.host.processId || job.attemptsMade > 0;
    return this.host.restore([storedTaskOf(job)], isReturning)[0];
  }

  /**
   * Another process may know it, or be able to make it: a newer version, one with another serializer or
   * with more queues. It goes back at once, and this worker takes nothing for a moment: so it reaches each
   * other worker that is idle. Where it comes back it waits, which is not long at first.
   *
   * @param error why it cannot be made here; without one it is of a name that nobody here has
   */
  private leaveToOthers(job: TaskJob, error?: string): Promise<never> {
    const { name, id = '', queueName } = job;
    const { clock, logger, store } = this.host;
    const kept = `after a while every ${LEAVE_MS.longest / 1_000} s.`;
    if (error !== undefined) {
      logger.error(
        `${store.label} has a task "${name}" (${id}) in queue "${queueName}" that cannot be made again here: ` +
          `${error}. It is kept, and tried again, ${kept}`,
      );
    } else if (!this.unknownNames.has(name)) {
      this.unknownNames.add(name);
      logger.error(
        `${store.label} has tasks named "${name}" in queue "${queueName}" that cannot be run here: no ` +
          '@Background() method has that name, or a newer version has stored them. They are kept, and ' +
          `tried again, ${kept} If the method was renamed, give it { aliases }.`,
      );
    }
    const now = clock.now();
    if (now - this.satOutAt >= SIT_OUT.everyMs) {
      this.satOutAt = now;
      this.pause('others first');
      clock.after(SIT_OUT.forMs, () => this.resume('others first'));
      return this.ending.putBack(job);
    }
    const growth = 1.5 ** (job.attemptsStarted - 1);
    const delayMs = Math.min(LEAVE_MS.longest, Math.round(LEAVE_MS.first * growth));
    return this.ending.putOff(job, delayMs);
  }

  private async run(held: Held): Promise<StoredEnd> {
    const { task, job } = held;
    const { end, forgivenStarts = 0, isLastAlone } = job.data;
    if (end !== undefined) {
      return this.ending.goOn(held, end);
    }
    const starts = job.stalledCounter - forgivenStarts;
    const { settings } = this.host;
    if (starts >= settings.maxStarts && (isLastAlone || settings.maxStarts === 1)) {
      const error = new TaskCrashedError(task.name, starts);
      return this.ending.end(held, { kind: 'failed', error });
    }
    const turn = await this.line.turnOf(job);
    if (turn === 'wait') {
      this.held.letGo(held);
      return this.ending.putOff(job, LOOK_AGAIN_MS);
    }
    if (job.data.isCancelled || held.isCancelled) {
      return this.ending.end(held, { kind: 'cancelled' });
    }
    if (turn === 'never') {
      return this.ending.end(held, { kind: 'dropped', reason: 'predecessor-failed' });
    }
    if (!this.isOpen) {
      this.held.letGo(held);
      return this.ending.putBack(job);
    }
    if (job.data.isDuplicate || !(await this.hasKey(job.data.dedupe, task))) {
      return this.ending.end(held, { kind: 'dropped', reason: 'duplicate' });
    }
    return starts > 0 && starts >= settings.maxStarts - 1
      ? this.alone(() => this.attemptAlone(held, starts))
      : this.attempt(held);
  }

  /** Its process may have died before it could claim it. */
  private async hasKey(dedupe: string | undefined, { queue, id }: Task): Promise<boolean> {
    const { persistence, store } = this.host;
    return (
      dedupe === undefined || persistence.untilAnswered(() => store.claimKey(queue, dedupe, id))
    );
  }

  /** Which of those that ran when their process died has killed it, only this tells. */
  private async attemptAlone(held: Held, starts: number): Promise<StoredEnd> {
    const { task, job } = held;
    if (this.isStopping || this.isClosed) {
      this.held.letGo(held);
      return this.ending.putBack(job);
    }
    const { persistence, logger } = this.host;
    logger.warn(
      `Task ${task.name} (${task.id}) was running when its process died, ${starts} times. It runs alone now, ` +
        'for the last time.',
    );
    await persistence.untilAnswered(() => job.updateData({ ...job.data, isLastAlone: true }));
    return this.attempt(held);
  }

  private attempt(held: Held): Promise<StoredEnd> {
    return new Promise((resolve) => {
      const { task } = held;
      const { host } = this;
      task.status = 'running';
      host.worker.attempt(task, (_task, verdict) => {
        resolve(this.ending.conclude(held, verdict));
      });
      host.handles.started(task);
      if (this.isStopping) {
        task.attempt?.interrupt('abandoned');
      }
    });
  }
}
