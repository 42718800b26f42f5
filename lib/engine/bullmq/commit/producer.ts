import { randomBytes } from 'node:crypto';
import type { LoggerService } from '@nestjs/common';
import { StoreUnavailableError } from '../../../errors/storage.errors.js';
import type { Clock } from '../../../task/clock.js';
import type { Task } from '../../../task/task.js';
import type { TransactionClient } from '../../../task/transaction-client.js';
import { Patience } from '../../patience.js';
import { Holds } from './holds.js';
import type { JobStore } from '../store/job-store.js';
import { Retraction } from './retraction.js';
import { isUnsent } from '../store/task-worker.js';
import {
  dedupeIdOf,
  entryOf,
  jobsOf,
  linkOf,
  type JobData,
  type JobLink,
  type NewJob,
} from '../codec/stored-job.js';

/** How long a task in a line waits to be told before it looks for itself, in milliseconds. */
const LINE_HOLD_MS = 3_600_000;

/** The part of an engine's settings that is needed here. */
export interface ProducerSettings {
  readonly commitTimeoutMs: number;
  readonly holdMs: number;
}

/** How far tasks have come on their way to the store. */
interface Adding {
  isSent: boolean;
  isGivenUp: boolean;
}

/** Puts tasks into the store, holds them until they are released, and takes back what is not to run. */
export class Producer {
  /** The process, as its jobs name it. */
  readonly id = randomBytes(9).toString('base64url');
  private readonly holds: Holds;
  private readonly retraction: Retraction;
  private readonly patience: Patience;
  /** Of each stored task, the one that was stored behind it. */
  private readonly next = new WeakMap<Task, Task>();
  /** Stored behind others of their lines. */
  private readonly behind = new WeakSet<Task>();
  /** Stored without their dedupe keys. */
  private readonly unclaimed = new WeakSet<Task>();

  constructor(
    private readonly store: JobStore,
    private readonly settings: ProducerSettings,
    clock: Clock,
    logger: LoggerService,
  ) {
    this.patience = new Patience(clock, settings.commitTimeoutMs);
    this.holds = new Holds(store, clock);
    this.retraction = new Retraction(store, this.patience, clock, logger);
  }

  /**
   * All of them in one transaction, whatever queues they are for.
   *
   * @returns those that the store knew already, by their dedupe key
   * @throws StoreUnavailableError within the commit timeout
   */
  async add(lines: readonly (readonly Task[])[], isHeld: boolean): Promise<Task[]> {
    const heldMs = isHeld ? this.settings.holdMs : undefined;
    const jobs = jobsOf(lines, this.id, heldMs, LINE_HOLD_MS);
    for (const { task, data } of jobs) {
      this.retraction.callOffFor(task.id);
      if (data.dedupe !== undefined) {
        this.unclaimed.add(task);
      }
    }
    const adding: Adding = { isSent: this.store.isReady, isGivenUp: false };
    try {
      const ids = await this.patience.wait(
        adding.isSent ? this.insert(jobs) : this.insertOnceReady(jobs, adding),
      );
      lines.forEach((line) => this.stored(line, heldMs));
      return jobs.flatMap(({ task }, index) => (ids[index] === task.id ? [] : [task]));
    } catch (cause) {
      adding.isGivenUp = true;
      if (adding.isSent && !isUnsent(cause)) {
        // It may have landed all the same, and must not run: the client is told that it failed.
        jobs.forEach(({ task }) => this.retract(linkOf(task)));
      }
      throw new StoreUnavailableError(this.store.label, { cause });
    }
  }

  private stored(line: readonly Task[], heldMs: number | undefined): void {
    line.forEach((task, index) => {
      const before = line[index - 1];
      if (before !== undefined) {
        this.next.set(before, task);
        this.behind.add(task);
      } else if (heldMs !== undefined) {
        this.holds.hold(task, heldMs);
      }
    });
  }

  /**
   * In a transaction of somebody else's, whose commit releases it: where the store has a part in such.
   *
   * @returns its id, or that of the task that stands for its dedupe key
   * @throws StoreUnavailableError, TransactionError
   */
  async addWithin(client: TransactionClient, task: Task): Promise<string> {
    const jobs = jobsOf([[task]], this.id, undefined, LINE_HOLD_MS);
    await this.whenReady();
    const [id] = await Promise.all(jobs.map(async (job) => this.store.addWithin?.(client, job)));
    return id ?? task.id;
  }

  /** @throws StoreUnavailableError within the commit timeout */
  private async whenReady(): Promise<void> {
    try {
      await this.patience.wait(this.store.ready());
    } catch (cause) {
      throw new StoreUnavailableError(this.store.label, { cause });
    }
  }

  /**
   * A stored line may start.
   *
   * @param line those of it that are to run: others may have been taken back since
   */
  release(line: readonly Task[]): void {
    const [head] = line;
    const steps = line.flatMap((task, index) => this.stepsBefore(task, line[index + 1]));
    if (head !== undefined && steps.length === 0) {
      this.begin(head);
    } else if (head !== undefined) {
      // Where the store is away, who takes it sees to its key, and looks whether its turn has come.
      void Promise.allSettled(steps).then(() => this.begin(head));
    }
  }

  private begin(head: Task): void {
    if (this.behind.has(head)) {
      // Those before it were taken back: nobody else is to start it.
      void this.holds.start(linkOf(head), head.settings.delayMs);
    } else {
      this.holds.release(head);
    }
  }

  private stepsBefore(task: Task, next: Task | undefined): Promise<void>[] {
    const isUnclaimed = this.unclaimed.delete(task);
    const stored = this.next.get(task);
    const hasGap = stored !== undefined && next !== undefined && stored !== next;
    return [
      ...(isUnclaimed ? [this.claim(task)] : []),
      ...(hasGap ? [this.change(task, { next: linkOf(next) })] : []),
    ];
  }

  /** Whose key another task has by now is a duplicate. */
  private async claim(task: Task): Promise<void> {
    const { queue, id, keys } = task;
    if (!(await this.store.claimKey(queue, dedupeIdOf(keys?.dedupe ?? ''), id))) {
      await this.change(task, { isDuplicate: true });
    }
  }

  private async change({ queue, id }: Task, change: Partial<JobData>): Promise<void> {
    const job = await this.store.queue(queue).getJob(id);
    await job?.updateData({ ...job.data, ...change });
  }

  /** What waits for its time is to wait for nothing but its response any more. */
  hasten(link: JobLink): Promise<void> {
    return this.holds.hasten(link);
  }

  /** A stored task that waits for its release may start, `delayMs` from now. */
  start(link: JobLink, delayMs: number): Promise<void> {
    return this.holds.start(link, delayMs);
  }

  /** Removes a job, now or as soon as the store can be reached again. */
  retract(link: JobLink): void {
    this.holds.forget(link.id);
    this.retraction.add(link);
  }

  /** Resolves when what is not to run is gone, or the store does not answer. */
  close(): Promise<void> {
    this.holds.close();
    return this.retraction.close();
  }

  private async insertOnceReady(jobs: readonly NewJob[], adding: Adding): Promise<string[]> {
    await this.store.ready();
    if (adding.isGivenUp) {
      throw new Error('Nobody waits for it any longer.');
    }
    adding.isSent = true;
    return this.insert(jobs);
  }

  private async insert(jobs: readonly NewJob[]): Promise<string[]> {
    const [first, second] = jobs;
    if (first === undefined) {
      return [];
    }
    const queue = this.store.queue(first.task.queue);
    const { backend } = queue;
    if (second === undefined) {
      // One command is a transaction of its own, and costs less than to open one.
      const { jobData, jobId, parentKeyOpts } = entryOf(queue, first);
      return [await backend.addJob(jobData, jobId, parentKeyOpts)];
    }
    const entries = jobs.map((job) => entryOf(this.store.queue(job.task.queue), job));
    const results = await backend.addFlow(entries);
    return results.map(([error, id]) => {
      if (error !== null) {
        throw error;
      }
      return String(id);
    });
  }
}
