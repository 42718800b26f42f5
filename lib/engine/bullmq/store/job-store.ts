import type { LoggerService } from '@nestjs/common';
import type { Queue, QueueEvents, WorkerOptions } from 'bullmq';
import type { Clock } from '../../../task/clock.js';
import type { Position } from '../../../task/position.js';
import type { TransactionClient } from '../../../task/transaction-client.js';
import type { KeepLimits } from '../../engine.js';
import type { FailedQuery } from '../../kept-tasks.js';
import { Patience } from '../../patience.js';
import type { StoredEnd } from '../codec/stored-end.js';
import type { JobQueue, JobWorker, NewJob, TaskJob } from '../codec/stored-job.js';
import { ErrorLog, isAnswer, missing } from './connections.js';
import type { ScheduleRecords } from './schedules.js';

export type BullMQ = typeof import('bullmq');

/** How long to wait before a store is asked again, in milliseconds. */
const AGAIN_MS = 1_000;

/** What a worker is told of besides the connection. */
export type WorkerLimits = Omit<WorkerOptions, 'connection' | 'prefix' | 'autorun'>;

/** What a store keeps of the settled tasks of a queue. */
export interface Retention {
  /** How many completed ones. */
  readonly remember: number;
  /** How many that have failed, and for how long. */
  readonly keep: Pick<KeepLimits, 'count' | 'ageMs'>;
}

/** What a worker asks, and tells, its consumer. */
export interface WorkerGate {
  /** Runs one job; what it throws decides between a retry, a failure and going back to wait. */
  process(job: TaskJob): Promise<StoredEnd>;
  /** Whether jobs may be taken. */
  isOpen(): boolean;
  /** Whether nothing is recorded any more. */
  isClosed(): boolean;
  /** A worker did not take, or put back, what another could take: that one has to hear of it. */
  declined(): void;
  /** BullMQ is done with a job whose end it may not have recorded. */
  over(job: TaskJob): void;
}

/** The connections to one store, and BullMQ's classes on them: one of its queues for each of ours. */
export abstract class JobStore {
  private readonly made = new Map<string, JobQueue>();
  protected readonly errors: ErrorLog;
  /** On which the store's own words go from process to process. */
  protected readonly channel: string;
  /** Set as the engine closes: nothing new begins, and what is not answered at once is not asked again. */
  isClosing = false;
  protected isClosed = false;
  private bull: BullMQ | undefined;
  private readonly patience: Patience;

  /**
   * @param kind `Redis`, for example
   * @param label for messages, with its address
   * @param prefix of its keys, or the name of its schema
   * @param timeoutMs how long an answer is waited for
   */
  constructor(
    readonly kind: string,
    readonly label: string,
    protected readonly prefix: string,
    protected readonly timeoutMs: number,
    readonly clock: Clock,
    readonly logger: LoggerService,
  ) {
    this.channel = `${prefix}:cancel`;
    this.errors = new ErrorLog(label, logger);
    this.patience = new Patience(clock, timeoutMs);
  }

  /** Loads the peers and begins to connect; does not wait for it. @throws MissingPeerError */
  async open(queues: readonly string[]): Promise<void> {
    this.bull = await import('bullmq').catch(missing('bullmq'));
    await this.connectTo(queues);
  }

  /** @throws MissingPeerError */
  protected abstract connectTo(queues: readonly string[]): Promise<void>;
  /** Resolves when commands can be sent. */
  abstract ready(): Promise<void>;
  /** Not running yet. Its commands wait for the store to come back. */
  abstract worker(
    name: string,
    limits: WorkerLimits,
    retention: Retention,
    gate: WorkerGate,
  ): JobWorker;
  /** Of a queue, not running yet. */
  protected abstract eventsOf(name: string): QueueEvents;
  /** The id of the latest event of a queue, as BullMQ reads the ones after it. */
  protected abstract lastEventId(name: string): Promise<string>;
  /** Wakes another worker of a queue: not every store does when a job is put back. */
  abstract wake(name: string): Promise<void>;
  /**
   * @param onCancel is told the id of each task that any process cancels while it runs
   * @param onGap is called when that begins, and whenever some may have been missed
   */
  abstract listen(onCancel: (id: string) => void, onGap: () => void): void;
  abstract tellCancel(id: string): Promise<void>;
  /** Once the store is ready. */
  abstract schedules(): ScheduleRecords;
  /**
   * From here on the job stands for the key until it has ended, unless another does.
   *
   * @returns whether it does
   */
  abstract claimKey(queue: string, dedupeId: string, jobId: string): Promise<boolean>;
  /**
   * Adds a job in the transaction that is open on its caller's connection: where the store knows such.
   *
   * @returns the id of the job, or of the one that stands for its dedupe key
   * @throws TransactionError
   */
  addWithin?(client: TransactionClient, job: NewJob): Promise<string>;
  /**
   * Failed jobs of a queue, so many at most, from where a page of them begins: some may stand before it.
   *
   * @param skip how many of them were seen already
   */
  abstract failed(
    queue: string,
    page: FailedQuery,
    skip: number,
    limit: number,
  ): Promise<Position[]>;
  abstract close(): Promise<void>;

  protected add(queue: Queue): void {
    queue.on('error', this.errors.report);
    this.made.set(queue.name, queue);
  }

  /** For short commands: they fail where the store does not answer. */
  queue(name: string): JobQueue {
    const queue = this.made.get(name);
    if (queue === undefined) {
      throw new Error(`The store has no queue "${name}", or is not open yet.`);
    }
    return queue;
  }

  queues(): JobQueue[] {
    return [...this.made.values()];
  }

  /** How many tasks wait for a slot, a time, their line or their response. */
  async pendingOf(name: string): Promise<number> {
    await this.inTime(this.ready());
    return this.queue(name).getJobCountByTypes('waiting', 'prioritized', 'delayed');
  }

  /** What happens from now on, also while the connection for it is being made. */
  events(name: string): QueueEvents {
    const events = this.eventsOf(name);
    events.on('error', this.errors.report);
    void this.run(events, this.lastEventId(name));
    return events;
  }

  /** @param lastId where it is not to be known, events begin when the connection is there */
  private async run(events: QueueEvents, lastId: Promise<string>): Promise<void> {
    try {
      const lastEventId = await lastId.catch(() => undefined);
      Object.assign(events.opts, { lastEventId });
      if (events.closing === undefined) {
        await events.run();
      }
    } catch (error) {
      this.errors.report(error);
    }
  }

  /** The answer, if it comes in time. What comes later is ignored. @throws Error where it does not */
  inTime<T>(answer: Promise<T>): Promise<T> {
    return this.patience.wait(answer);
  }

  /**
   * Asks again until there is an answer, or the process closes.
   *
   * @throws what the store says against it, or why it was not reached at last
   */
  async untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (this.isClosing || isAnswer(error)) {
          throw error;
        }
        await this.sleep(AGAIN_MS);
      }
    }
  }

  /** Rejects where the store does not take what is written, though it may answer: it only reads, or is full. */
  async ping(): Promise<void> {
    const [queue] = this.made.values();
    await queue?.backend.setQueueMeta({ ping: 1 });
  }

  protected sleep(delayMs: number): Promise<void> {
    return new Promise((done) => void this.clock.after(delayMs, done));
  }

  protected get opened(): BullMQ {
    if (this.bull === undefined) {
      throw new Error('The store is not open.');
    }
    return this.bull;
  }
}
