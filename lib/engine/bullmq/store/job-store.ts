import type { RedisOptions } from 'ioredis';
import type { KeepJobs, Queue, QueueEvents, Worker, WorkerOptions } from 'bullmq';
import type { TransactionClient } from '../../../task/transaction-client.js';
import type { Position } from '../../../task/position.js';
import type { EngineSupport, KeepLimits, ScheduleStore } from '../../engine.js';
import type { FailedQuery } from '../../kept-tasks.js';
import type { WrittenEnd } from '../codec/stored-end.js';
import type { JobData, NewJob, TaskJob } from '../codec/stored-job.js';

/** Where the tasks are. */
export type StoreAddress =
  | { readonly kind: 'redis'; readonly options: RedisOptions; readonly url: string | undefined }
  | { readonly kind: 'postgres'; readonly options: Readonly<Record<string, unknown>> };

export type BullMQ = typeof import('bullmq');
export type JobQueue = Queue<JobData, WrittenEnd>;
export type JobWorker = Worker<JobData, WrittenEnd>;

/** Runs one job; what it throws decides between a retry, a failure and going back to wait. */
export type Process = (job: TaskJob, token: string | undefined) => Promise<WrittenEnd>;

/** What a worker is told of besides the connection. */
export type WorkerLimits = Omit<WorkerOptions, 'connection' | 'prefix' | 'autorun'>;

/** What a worker asks, and tells, its consumer. */
export interface WorkerGate {
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

/** The connections to one store, and BullMQ's classes on them. */
export interface JobStore {
  /** For messages. */
  readonly label: string;
  readonly support: Omit<EngineSupport, 'storage'>;
  /** Loads the peers and begins to connect; does not wait for it. @throws MissingPeerError */
  open(queues: readonly string[]): Promise<void>;
  /** Whether commands can be sent now, as far as is known: {@link ready} would not wait. */
  readonly isReady: boolean;
  /** Resolves when commands can be sent. */
  ready(): Promise<void>;
  /** Asks the store for nothing. Rejects where it does not answer. */
  ping(): Promise<void>;
  /** For short commands: they fail where the store does not answer. */
  queue(name: string): JobQueue;
  queues(): Iterable<JobQueue>;
  /** Not running yet. Its commands wait for the store to come back. */
  worker(name: string, process: Process, limits: WorkerLimits, gate: WorkerGate): JobWorker;
  events(name: string): QueueEvents;
  /** Wakes another worker of a queue: not every store does when a job is put back. */
  wake(name: string): Promise<void>;
  /**
   * @param onCancel is told the id of each task that any process cancels while it runs
   * @param onGap is called when that begins, and whenever some may have been missed
   */
  listen(onCancel: (id: string) => void, onGap: () => void): void;
  tellCancel(id: string): Promise<void>;
  /** Once the store is ready. */
  schedules(): ScheduleRecords;
  /**
   * From here on the job stands for the key until it has ended, unless another does.
   *
   * @returns whether it does
   */
  claimKey(queue: string, dedupeId: string, jobId: string): Promise<boolean>;
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
  failed(queue: string, page: FailedQuery, skip: number, limit: number): Promise<Position[]>;
  /** How settled jobs are let go of as others settle; `undefined` where {@link clean} has to be called. */
  retention(keep: Pick<KeepLimits, 'count' | 'ageMs'>): KeepJobs | undefined;
  close(): Promise<void>;
}

/** What both stores have: BullMQ itself, once it is loaded, and one of its queues for each of ours. */
export abstract class BullQueues {
  protected readonly made = new Map<string, JobQueue>();
  protected bull: BullMQ | undefined;
  protected isClosed = false;

  queue(name: string): JobQueue {
    const queue = this.made.get(name);
    if (queue === undefined) {
      throw new Error(`The store has no queue "${name}", or is not open yet.`);
    }
    return queue;
  }

  queues(): Iterable<JobQueue> {
    return this.made.values();
  }

  protected get opened(): BullMQ {
    if (this.bull === undefined) {
      throw new Error('The store is not open.');
    }
    return this.bull;
  }
}
