import type { QueueLimits } from '../../engine.js';
import { atMost } from '../../patience.js';
import { TaskRetries } from '../codec/stored-end.js';
import type { JobWorker } from '../codec/stored-job.js';
import type { JobStore, Retention, WorkerGate, WorkerLimits } from '../store/job-store.js';
import type { HeldJobs } from './held-jobs.js';

/** How long BullMQ waits before it tries again to take or record a job, in milliseconds. */
const AGAIN_MS = 500;
/** How long a worker lets others go first, and how often at most: else it might never take a job. */
const SIT_OUT = { forMs: 100, everyMs: 1_000 };
/** PostgreSQL counts in 32 bits. */
const NO_LIMIT = 2 ** 31 - 1;
const MOST_AT_ONCE = 100_000;

/** Why a worker takes no jobs. */
type Reason = 'paused' | 'shutdown' | 'alone' | 'others first';

/** This process's BullMQ workers, one for each queue. Each takes jobs unless there is a reason against it. */
export class Workers {
  private readonly started = new Map<string, JobWorker>();
  private readonly reasons: ReadonlyMap<string, Set<Reason>>;
  private readonly satOutAt = new Map<string, number>();
  private lastAlone: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly queues: readonly QueueLimits[],
    private readonly store: JobStore,
    private readonly held: HeldJobs,
    private readonly lockDurationMs: number,
    private readonly retention: Retention,
  ) {
    this.reasons = new Map(queues.map(({ name }) => [name, new Set()]));
  }

  /** Call it once the store has been reached. */
  start(process: WorkerGate['process']): void {
    this.queues.forEach((limits) => this.startOne(limits, process));
  }

  private startOne(limits: QueueLimits, process: WorkerGate['process']): void {
    const { name, concurrency, rateLimit } = limits;
    const options: WorkerLimits = {
      concurrency: Math.min(concurrency, MOST_AT_ONCE),
      ...(rateLimit && { limiter: { max: rateLimit.max, duration: rateLimit.perMs } }),
      lockDuration: this.lockDurationMs,
      stalledInterval: this.lockDurationMs,
      // `maxStarts` limits the starts instead: a job that BullMQ fails by itself would strand its line.
      maxStalledCount: NO_LIMIT,
      runRetryDelay: AGAIN_MS,
      settings: {
        backoffStrategy: (_attempts, _type, error) =>
          error instanceof TaskRetries ? Math.ceil(error.delayMs) : -1,
      },
    };
    const worker = this.store.worker(name, options, this.retention, {
      process,
      isOpen: () => this.isOpen(name),
      isClosed: () => this.store.isClosing,
      declined: () => void this.wakeAnother(name),
      over: (job) => {
        if (!this.store.isClosing) {
          this.held.over(job);
        }
      },
    });
    worker.on('completed', (job) => this.held.recorded(job));
    worker.on('failed', (job) => this.held.recorded(job));
    this.started.set(name, worker);
    if (!this.isOpen(name)) {
      worker.pause(true).catch(() => undefined);
    }
    // Rejects only if it could not begin at all; later errors go to the error listener.
    worker.run().catch(() => undefined);
    void this.limitAll(limits);
  }

  /** Whether the worker of a queue may take jobs. */
  isOpen(queue: string): boolean {
    return !this.store.isClosing && this.reasons.get(queue)?.size === 0;
  }

  /** Takes no more jobs of a queue, or of all, until no reason is left. Running attempts go on. */
  pause(reason: Reason, queue?: string): void {
    for (const [name, reasons] of this.named(queue)) {
      reasons.add(reason);
      this.started
        .get(name)
        ?.pause(true)
        .catch(() => undefined);
    }
  }

  resume(reason: Reason, queue?: string): void {
    for (const [name, reasons] of this.named(queue)) {
      if (reasons.delete(reason) && this.isOpen(name)) {
        this.started
          .get(name)
          ?.resume()
          .catch(() => undefined);
      }
    }
  }

  /** Whether the application has paused the queue in this process. */
  isPaused(queue: string): boolean {
    return this.reasons.get(queue)?.has('paused') === true;
  }

  /** Takes no jobs of a queue for a moment, so that others can. @returns `false` if it did so just before */
  sitOut(queue: string): boolean {
    const { clock } = this.store;
    const now = clock.now();
    if (now - (this.satOutAt.get(queue) ?? Number.NEGATIVE_INFINITY) < SIT_OUT.everyMs) {
      return false;
    }
    this.satOutAt.set(queue, now);
    this.pause('others first', queue);
    clock.after(SIT_OUT.forMs, () => this.resume('others first', queue));
    return true;
  }

  /**
   * Runs `act` with nothing beside it. No jobs are taken meanwhile, and running attempts end first. They are
   * waited for no longer than a lock lasts.
   */
  alone<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.lastAlone.then(async () => {
      this.pause('alone');
      try {
        await atMost(this.store.clock, this.lockDurationMs, this.held.whenNoneIsAttempted());
        return await act();
      } finally {
        this.resume('alone');
      }
    });
    this.lastAlone = turn.catch(() => undefined);
    return turn;
  }

  /** Jobs still under way are left to the store, which gives them to other workers. */
  async close(): Promise<void> {
    const closing = [...this.started].map(async ([name, worker]) => {
      // Without force the close would wait for ever while the store is down.
      await worker.close(true);
      await this.wakeAnother(name);
    });
    await Promise.allSettled(closing);
  }

  /** This worker may have been woken for a job in the place of another worker. */
  private async wakeAnother(queue: string): Promise<void> {
    await this.store.wake(queue).catch(() => undefined);
  }

  /** The limit is kept with the queue and binds all processes: the latest one to start decides. */
  private async limitAll({ name, concurrencyOfAll }: QueueLimits): Promise<void> {
    const queue = this.store.queue(name);
    const limit = (): Promise<unknown> =>
      concurrencyOfAll === undefined
        ? queue.removeGlobalConcurrency()
        : queue.setGlobalConcurrency(concurrencyOfAll);
    await this.store.untilAnswered(limit).catch(() => undefined); // closed meanwhile
  }

  private named(queue: string | undefined): [string, Set<Reason>][] {
    return [...this.reasons].filter(([name]) => queue === undefined || queue === name);
  }
}
