import type { LoggerService } from '@nestjs/common';
import type { RedisOptions } from 'ioredis';
import type { Queue, QueueEvents, Worker, WorkerOptions } from 'bullmq';
import type { Position } from '../../../task/position.js';
import type { TransactionClient } from '../../../task/transaction-client.js';
import type { KeepLimits, ScheduleStore } from '../../engine.js';
import type { FailedQuery } from '../../kept-tasks.js';
import type { StoredEnd } from '../codec/stored-end.js';
import type { JobData, NewJob, TaskJob } from '../codec/stored-job.js';
import { ErrorLog } from './store-errors.js';

/** Where the tasks are. */
export type StoreAddress =
  | { readonly kind: 'redis'; readonly options: RedisOptions; readonly url: string | undefined }
  | { readonly kind: 'postgres'; readonly options: Readonly<Record<string, unknown>> };

export type BullMQ = typeof import('bullmq');
export type JobQueue = Queue<JobData, StoredEnd>;
export type JobWorker = Worker<JobData, StoredEnd>;

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

/** Keeps the records of schedules: see `ScheduleStore`. */
export interface ScheduleRecords {
  load: ScheduleStore['load'];
  swap(
    name: string,
    before: string | undefined,
    after: string | undefined,
    job: NewJob | undefined,
  ): ReturnType<ScheduleStore['swap']>;
}

/** The connections to one store, and BullMQ's classes on them: one of its queues for each of ours. */
export abstract class JobStore {
  protected readonly made = new Map<string, JobQueue>();
  protected readonly errors: ErrorLog;
  protected bull: BullMQ | undefined;
  protected isClosed = false;

  /** @param kind `Redis`, for example  @param label for messages, with its address */
  constructor(
    readonly kind: string,
    readonly label: string,
    logger: LoggerService,
  ) {
    this.errors = new ErrorLog(label, logger);
  }

  /** Loads the peers and begins to connect; does not wait for it. @throws MissingPeerError */
  abstract open(queues: readonly string[]): Promise<void>;
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
   * Adds a job through a connection that is not the store's, in the transaction that is open there.
   * There is none where the store knows no transactions.
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

  /** For short commands: they fail where the store does not answer. */
  queue(name: string): JobQueue {
    const queue = this.made.get(name);
    if (queue === undefined) {
      throw new Error(`The store has no queue "${name}", or is not open yet.`);
    }
    return queue;
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

  queues(): Iterable<JobQueue> {
    return this.made.values();
  }

  /** Rejects where the store does not take what is written, though it may answer: it only reads, or is full. */
  async ping(): Promise<void> {
    const [queue] = this.made.values();
    await queue?.backend.setQueueMeta({ ping: 1 });
  }

  protected get opened(): BullMQ {
    if (this.bull === undefined) {
      throw new Error('The store is not open.');
    }
    return this.bull;
  }
}
