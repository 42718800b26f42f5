import type { LoggerService } from '@nestjs/common';
import { TaskCrashedError } from '../../errors/storage.errors.js';
import type { Clock } from '../../task/clock.js';
import type { Task } from '../../task/task.js';
import type { Dropped, Verdict } from '../../task/verdict.js';
import type { QueueLimits, Restorer, Worker } from '../engine.js';
import type { BullMQSettings } from './bullmq-options.js';
import { gate } from './job-gate.js';
import { JobLine } from './job-line.js';
import type { JobStore, JobWorker, WorkerLimits } from './job-store.js';
import { PutBack, TaskFailed, TaskRetries } from './job-signals.js';
import type { Producer } from './producer.js';
import { SettledSweep } from './settled-sweep.js';
import {
  endOf,
  verdictOf,
  writtenEndOf,
  type End,
  type StoredEnd,
  type WrittenEnd,
} from './stored-end.js';
import { dedupeIdOf, FORMAT, storedTaskOf, type TaskJob } from './stored-job.js';
import type { UnknownNames } from './unknown-names.js';

/** A job that this worker has, and what is to be told once it is recorded. */
interface Held {
  readonly task: Task;
  readonly job: TaskJob;
  verdict: Verdict | Dropped | undefined;
}

/** What a consumer shares with the others of its engine. */
export interface ConsumerHost {
  readonly store: JobStore;
  readonly producer: Producer;
  readonly settings: BullMQSettings;
  readonly restorer: Restorer;
  readonly worker: Worker;
  readonly clock: Clock;
  readonly logger: LoggerService;
  readonly unknown: UnknownNames;
  /** An attempt has begun. */
  started(task: Task): void;
  /** Recorded and announced: for the handle that this process may have of the task. */
  settled(task: Task): void;
  /** Nothing of it is under way here any more. */
  freed(): void;
}

/** Waits between attempts to write down what must be written down, in milliseconds. */
const AGAIN_MS = 500;
/** How long a task whose predecessor is not over waits before it looks again. */
const LOOK_AGAIN_MS = 5_000;
/** PostgreSQL counts in 32 bits. */
const NO_LIMIT = 2 ** 31 - 1;
const MOST_AT_ONCE = 100_000;

/** Takes one queue's tasks from the store, has them attempted, and records what became of them. */
export class Consumer {
  private readonly held = new Map<string, Held>();
  private readonly worker: JobWorker;
  private readonly line: JobLine;
  private readonly sweep: SettledSweep;
  private isStopping = false;
  private isClosed = false;

  constructor(
    private readonly host: ConsumerHost,
    { name, concurrency, rateLimit }: QueueLimits,
  ) {
    const { settings, store } = host;
    const limits: WorkerLimits = {
      concurrency: Math.min(concurrency, MOST_AT_ONCE),
      ...(rateLimit && { limiter: { max: rateLimit.max, duration: rateLimit.perMs } }),
      lockDuration: settings.lockDurationMs,
      stalledInterval: settings.lockDurationMs,
      // How often is enough is decided here: a task that BullMQ fails by itself would strand its line.
      maxStalledCount: NO_LIMIT,
      runRetryDelay: AGAIN_MS,
      removeOnComplete: store.retention(settings.keepCompleted),
      removeOnFail: store.retention(settings.keepFailed),
      settings: {
        backoffStrategy: (_attempts, _type, error) =>
          error instanceof TaskRetries ? error.delayMs : -1,
      },
    };
    this.worker = store.worker(name, (job, token) => this.process(job, token ?? ''), limits);
    this.line = new JobLine(store, host.clock);
    this.sweep = new SettledSweep(name, store, settings, host.clock);
    const { worker } = this;
    gate(worker, () => this.isOpen);
    const processJob = worker.processJob.bind(worker);
    worker.processJob = (job, token, fetchNext) => {
      const over = (): void => this.over(job);
      const processed = processJob(job, token, fetchNext);
      processed.then(over, over);
      return processed;
    };
    worker.on('completed', (job) => this.told(this.heldOf(job)));
    worker.on('failed', (job) => this.told(this.heldOf(job)));
  }

  get running(): number {
    return this.held.size;
  }

  has(id: string): boolean {
    return this.held.has(id);
  }

  start(): void {
    this.sweep.start();
    // Rejects only where it could not begin at all; what goes wrong later is the error listener's.
    this.worker.run().catch(() => undefined);
  }

  /** Takes no more; what runs goes on. */
  async pause(): Promise<void> {
    await this.worker.pause(true);
  }

  resume(): void {
    this.worker.resume().catch(() => undefined);
  }

  cancel(id: string): boolean {
    const held = this.held.get(id);
    held?.task.attempt?.interrupt('cancelled');
    return held !== undefined;
  }

  /** Cancels what was marked while nobody here could hear of it. */
  async cancelMarked(): Promise<void> {
    for (const { task } of this.held.values()) {
      const job = await this.host.store
        .queue(task.queue)
        .getJob(task.id)
        .catch(() => undefined);
      if (job?.data.isCancelled) {
        this.cancel(task.id);
      }
    }
  }

  interrupt(): void {
    this.isStopping = true;
    for (const { task } of this.held.values()) {
      task.attempt?.interrupt('abandoned');
    }
  }

  /** Whatever is still under way is left to the store, which gives it to another worker. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.sweep.stop();
    this.line.close();
    // Without force it would wait for ever where the store is down.
    await this.worker.close(true);
  }

  /** Whether jobs that come are to be run. */
  private get isOpen(): boolean {
    return !this.isClosed && !this.worker.isPaused();
  }

  private process(job: TaskJob, token: string): Promise<WrittenEnd> {
    if (!this.isOpen) {
      return this.putBack(job, token);
    }
    const task = this.restore(job);
    if (task === undefined) {
      const { unknown } = this.host;
      unknown.report(job.name, job.queueName);
      return this.putOff(job, token, unknown.lookAgainMs);
    }
    // Handed out again: what became of the former attempt is recorded, though BullMQ has yet to say so.
    this.told(this.held.get(task.id));
    const held: Held = { task, job, verdict: undefined };
    this.held.set(task.id, held);
    return isPlain(job) ? this.attempt(job, token, held) : this.run(job, token, held);
  }

  /** @throws TaskRetries, TaskFailed, PutBack */
  private async run(job: TaskJob, token: string, held: Held): Promise<WrittenEnd> {
    const { task } = held;
    const { data } = job;
    if (data.end !== undefined) {
      return this.finish(job, held, verdictOf(data.end), data.end);
    }
    const starts = job.stalledCounter - (data.forgivenStarts ?? 0);
    if (starts >= this.host.settings.maxStarts) {
      return this.end(job, held, {
        kind: 'failed',
        error: new TaskCrashedError(task.name, starts),
      });
    }
    switch (await this.line.turnOf(job)) {
      case 'wait':
        this.letGo(held);
        return this.putOff(job, token, LOOK_AGAIN_MS);
      case 'never':
        return this.end(job, held, { kind: 'dropped', reason: 'predecessor-failed' });
      case 'now':
        if (data.isCancelled) {
          return this.end(job, held, { kind: 'cancelled' });
        }
        if (!this.isOpen) {
          this.letGo(held);
          return this.putBack(job, token);
        }
        return this.attempt(job, token, held);
    }
  }

  /** Most tasks complete, with nobody to wait for them: one promise is all that this takes. */
  private attempt(job: TaskJob, token: string, held: Held): Promise<WrittenEnd> {
    return new Promise((resolve) => {
      const { task } = held;
      task.status = 'running';
      this.host.worker.attempt(task, (_task, verdict) => {
        if (verdict.kind === 'completed' && job.data.next === undefined) {
          held.verdict = verdict;
          resolve(writtenEndOf(endOf(task, verdict, this.host.clock.now())));
        } else {
          resolve(this.conclude(job, token, held, verdict));
        }
      });
      this.host.started(task);
      if (this.isStopping) {
        task.attempt?.interrupt('abandoned');
      }
    });
  }

  private async conclude(
    job: TaskJob,
    token: string,
    held: Held,
    verdict: Verdict,
  ): Promise<WrittenEnd> {
    switch (verdict.kind) {
      case 'retry':
        held.verdict = verdict;
        throw this.signalOf(new TaskRetries(verdict.error, verdict.delayMs), job);
      case 'abandoned':
        return this.abandon(job, token, held);
      default:
        return this.end(job, held, verdict);
    }
  }

  /** The next worker that has a slot goes on with it; the attempt does not count. */
  private async abandon(job: TaskJob, token: string, held: Held): Promise<never> {
    const { task } = held;
    await job.moveToWait(token).catch((error: unknown) => {
      const { logger, store } = this.host;
      logger.warn(
        `${store.label}: ${task.name} (${task.id}) waits until its lock ends: ${String(error)}`,
      );
    });
    this.announce(held, { kind: 'abandoned', isKept: true });
    throw new PutBack('WaitingError');
  }

  private end(job: TaskJob, held: Held, verdict: End): Promise<WrittenEnd> {
    return this.finish(job, held, verdict, endOf(held.task, verdict, this.host.clock.now()));
  }

  /**
   * Written down first, then the next of the line is released, then the job is finished: a worker
   * that dies in between leaves a job which is not run again, but finished from here by another.
   */
  private async finish(
    job: TaskJob,
    held: Held,
    verdict: End,
    end: StoredEnd,
  ): Promise<WrittenEnd> {
    const { data } = job;
    held.verdict = verdict;
    if (data.next !== undefined) {
      await job.updateData({ ...data, end });
      await this.line.passOn(data.next);
    }
    if (verdict.kind === 'failed') {
      throw this.signalOf(new TaskFailed(verdict.error), job);
    }
    return writtenEndOf(end);
  }

  private restore(job: TaskJob): Task | undefined {
    if (job.data.v !== FORMAT) {
      return undefined;
    }
    const isReturning = job.data.by === this.host.producer.id || job.attemptsMade > 0;
    return this.host.restorer.restore([storedTaskOf(job)], isReturning)[0];
  }

  /** It was asked for before this worker was told to take no more. */
  private async putBack(job: TaskJob, token: string): Promise<never> {
    // Where the store cannot be reached any more, the lock's end gives it back.
    await job.moveToWait(token).catch(() => undefined);
    throw new PutBack('WaitingError');
  }

  private async putOff(job: TaskJob, token: string, delayMs: number): Promise<never> {
    await job.moveToDelayed(Date.now() + delayMs, token);
    throw new PutBack('DelayedError');
  }

  /** BullMQ asks the job whether it may be retried: the answer was given by the task's policy. */
  private signalOf<Signal extends TaskRetries | TaskFailed>(signal: Signal, job: TaskJob): Signal {
    const mayRetry = signal instanceof TaskRetries;
    job.opts.attempts = mayRetry ? job.attemptsMade + 2 : 0;
    job.opts.backoff = { type: 'custom' };
    return signal;
  }

  /** What this job is an attempt of: a task may be handed out again before BullMQ is done with the last. */
  private heldOf(job: TaskJob | undefined): Held | undefined {
    const held = job?.id === undefined ? undefined : this.held.get(job.id);
    return held?.job === job ? held : undefined;
  }

  /** Its verdict is recorded. */
  private told(held: Held | undefined): void {
    if (held?.verdict !== undefined) {
      this.announce(held, held.verdict);
    }
  }

  private announce(held: Held, verdict: Verdict | Dropped): void {
    const { task } = held;
    const { worker } = this.host;
    this.held.delete(task.id);
    if (verdict.kind === 'retry') {
      task.status = 'retrying';
      worker.announce(task, verdict);
      worker.leave(task);
    } else {
      task.isOver = true;
      worker.announce(task, verdict);
      this.holdKey(task);
      this.host.settled(task);
    }
    this.host.freed();
  }

  /** Its dedupe key goes with the job; where its window is still open it comes back. */
  private holdKey({ keys, settings, addedAt, queue, id }: Task): void {
    if (keys?.dedupe === undefined) {
      return;
    }
    const restMs = addedAt + (settings.dedupe?.windowMs ?? 0) - this.host.clock.now();
    if (restMs > 0) {
      this.host.store.holdKey(queue, dedupeIdOf(keys.dedupe), id, restMs).catch(() => undefined);
    }
  }

  private letGo({ task }: Held): void {
    this.held.delete(task.id);
    this.host.worker.leave(task);
    this.host.freed();
  }

  /**
   * BullMQ is done with the job. What was recorded has been announced by now; what was not has lost
   * its lock, and another worker has it.
   */
  private over(job: TaskJob): void {
    const held = this.heldOf(job);
    if (held !== undefined && !this.isClosed) {
      this.host.logger.warn(
        `Task ${held.task.name} (${held.task.id}) could not be recorded by this process, which did not renew ` +
          'its lock in time: another worker runs it again.',
      );
      this.announce(held, { kind: 'abandoned', isKept: true });
    }
  }
}

/** Whether there is nothing to see to but the call: no line, no crash and no cancellation before. */
function isPlain({ data, stalledCounter }: TaskJob): boolean {
  const { end, prior, needs, isCancelled } = data;
  return (
    stalledCounter === 0 &&
    end === undefined &&
    prior === undefined &&
    needs === undefined &&
    isCancelled === undefined
  );
}
