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

/** The options of a worker, except for its connection. */
export type WorkerLimits = Omit<WorkerOptions, 'connection' | 'prefix' | 'autorun'>;

/** How many settled tasks of a queue a store keeps. */
export interface Retention {
  /** The number of completed jobs. */
  readonly remember: number;
  /** The number and the age of failed jobs. */
  readonly keep: Pick<KeepLimits, 'count' | 'ageMs'>;
}

/** What a worker asks and tells its consumer. */
export interface WorkerGate {
  /** Runs one job. Its error decides between a retry, a failure and a return to the queue. */
  process(job: TaskJob): Promise<StoredEnd>;
  /** Whether jobs may be taken. */
  isOpen(): boolean;
  /** Whether the engine is closing: a record that fails is not tried again. */
  isClosed(): boolean;
  /** The worker declined or put back a job that another worker could take: that one must be woken. */
  declined(): void;
  /** BullMQ is done with a job, but may not have recorded its end. */
  over(job: TaskJob): void;
}

/** The connections to one store, and BullMQ's objects on them: one BullMQ queue for each of ours. */
export abstract class JobStore {
  private readonly made = new Map<string, JobQueue>();
  protected readonly errors: ErrorLog;
  /** The channel that tells all processes of cancellations. */
  protected readonly channel: string;
  /** Set when the engine closes: nothing new begins, and a request that fails is not repeated. */
  isClosing = false;
  protected isClosed = false;
  private bull: BullMQ | undefined;
  private readonly patience: Patience;

  /**
   * @param kind `Redis`, for example
   * @param label the store's name in messages
   * @param prefix of the keys, or the name of the schema
   * @param timeoutMs how long {@link inTime} waits for an answer
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

  /** Loads the peers and begins to connect, without waiting for the connection. @throws MissingPeerError */
  async open(queues: readonly string[]): Promise<void> {
    this.bull = await import('bullmq').catch(missing('bullmq'));
    await this.connectTo(queues);
  }

  /** @throws MissingPeerError */
  protected abstract connectTo(queues: readonly string[]): Promise<void>;
  /** Resolves when commands can be sent. */
  abstract ready(): Promise<void>;
  /** Makes a worker that does not run yet. Its commands wait while the store is down. */
  abstract worker(
    name: string,
    limits: WorkerLimits,
    retention: Retention,
    gate: WorkerGate,
  ): JobWorker;
  /** Makes the reader of a queue's events, which does not run yet. */
  protected abstract eventsOf(name: string): QueueEvents;
  /** The id of a queue's latest event: BullMQ reads the events after it. */
  protected abstract lastEventId(name: string): Promise<string>;
  /** Wakes another worker of a queue. Not every store does so when a job is put back. */
  abstract wake(name: string): Promise<void>;
  /**
   * @param onCancel receives the id of each stored task that any process marks as cancelled
   * @param onGap is called when listening begins, and whenever cancellations may have been missed
   */
  abstract listen(onCancel: (id: string) => void, onGap: () => void): void;
  abstract tellCancel(id: string): Promise<void>;
  /** Call it only once the store is ready. */
  abstract schedules(): ScheduleRecords;
  /**
   * Claims a dedupe key for a job until the job has ended, unless another job holds it.
   *
   * @returns whether no other job holds the key
   */
  abstract claimKey(queue: string, dedupeId: string, jobId: string): Promise<boolean>;
  /**
   * Adds a job in the open transaction of the caller's connection, if the store has transactions.
   *
   * @returns the id of the job, or of the one that holds its dedupe key
   * @throws TransactionError
   */
  addWithin?(client: TransactionClient, job: NewJob): Promise<string>;
  /**
   * At most `limit` failed jobs of a queue, from the time of the page's cursor on. Jobs that failed at that
   * very time may stand before the cursor.
   *
   * @param skip how many of these jobs the caller has seen already
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

  /** For short commands, which fail if the store does not answer. */
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

  /** How many tasks wait for a slot, their delay, their line or their response. */
  async pendingOf(name: string): Promise<number> {
    await this.inTime(this.ready());
    return this.queue(name).getJobCountByTypes('waiting', 'prioritized', 'delayed');
  }

  /** Reads the events of a queue from now on, including those that happen while it connects. */
  events(name: string): QueueEvents {
    const events = this.eventsOf(name);
    events.on('error', this.errors.report);
    void this.run(events, this.lastEventId(name));
    return events;
  }

  /** @param lastId if it rejects, the events begin once the connection is made */
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

  /** Waits for an answer until the timeout, and ignores a later one. @throws Error if none came in time */
  inTime<T>(answer: Promise<T>): Promise<T> {
    return this.patience.wait(answer);
  }

  /**
   * Repeats a request until the store answers or the engine closes.
   *
   * @throws the store's refusal, or the last error of the connection
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

  /** Writes to the store: one that is read-only or full still answers reads, but takes no tasks. */
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
