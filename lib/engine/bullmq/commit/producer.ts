import { randomBytes } from 'node:crypto';
import { StoreUnavailableError } from '../../../errors/storage.errors.js';
import { following, lineFrom, standingOf } from '../../../task/line.js';
import type { DropReason } from '../../../task/outcome.js';
import type { Task } from '../../../task/task.js';
import type { TransactionClient } from '../../../task/transaction-client.js';
import { LEFT } from '../../../task/verdict.js';
import type { ScheduleStore, Worker } from '../../engine.js';
import { dedupeIdOf, entryOf, jobsOf, linkOf, type NewJob } from '../codec/stored-job.js';
import { isUnsent } from '../store/connections.js';
import type { JobStore } from '../store/job-store.js';
import type { ScheduleRecords } from '../store/schedules.js';
import type { CollectedTasks } from './collected-tasks.js';
import { HeldTasks } from './held-tasks.js';

/** How far a commit has come. */
interface Sending {
  /** The command is on its way to the store. */
  isSent: boolean;
  /** The commit has failed: what has not been sent yet stays here. */
  isGivenUp: boolean;
}

/** Stores tasks, holds them until they are released, and retracts those that must not run. */
export class Producer {
  /** The id of this process in its jobs. */
  readonly id = randomBytes(9).toString('base64url');
  readonly held: HeldTasks;
  /** Maps a task to the one before it in its stored line, whose job links to it. */
  private readonly before = new WeakMap<Task, Task>();
  /** Tasks stored without a claim to their dedupe keys. */
  private readonly unclaimed = new WeakSet<Task>();
  /** Tasks of failed commits: jobs that landed all the same are retracted already. */
  private readonly refused = new WeakSet<Task>();

  constructor(
    private readonly store: JobStore,
    private readonly collected: CollectedTasks,
    private readonly worker: Worker,
    private readonly holdMs: number,
  ) {
    this.held = new HeldTasks(store);
  }

  /**
   * Stores lines in one transaction over all queues.
   *
   * @throws StoreUnavailableError within the commit timeout
   */
  commit(heads: readonly Task[], isHeld: boolean): Promise<void> {
    const lines = heads.map(lineFrom);
    const storing = this.put(lines, isHeld);
    lines.flat().forEach((task) => {
      task.storing = storing;
    });
    return storing;
  }

  /** Resolves when it is known whether the store has the task. */
  async whenStored(task: Task): Promise<void> {
    await task.storing?.catch(() => undefined);
  }

  /** Retracts a committed task, even if it is still on its way to the store. */
  async takeBack(task: Task): Promise<void> {
    await this.whenStored(task);
    if (!this.refused.has(task)) {
      this.held.retract(linkOf(task));
    }
  }

  /**
   * Adds a task in the caller's transaction, whose commit releases it, if the store has transactions.
   *
   * @returns the id of the task, or of the one that holds its dedupe key
   * @throws StoreUnavailableError, TransactionError
   */
  async addWithin(client: TransactionClient, task: Task): Promise<string> {
    const { store } = this;
    await store.inTime(store.ready()).catch((cause: unknown) => {
      throw new StoreUnavailableError(store.label, { cause });
    });
    const [job] = jobsOf([[task]], this.id, undefined);
    const id = job && (await store.addWithin?.(client, job));
    if (id === task.id) {
      this.worker.announce(task, LEFT);
    }
    return id ?? task.id;
  }

  /** The records of schedules, stored beside the jobs that they add. */
  readonly schedules: ScheduleStore = {
    load: () => this.inSchedules((records) => records.load()),
    swap: async (name, before, after, task) => {
      const [job] = jobsOf(task === undefined ? [] : [[task]], this.id, undefined);
      const result = await this.inSchedules((each) => each.swap(name, before, after, job));
      if (task !== undefined && result === 'done') {
        this.worker.announce(task, LEFT);
      }
      return result;
    },
  };

  /**
   * Lets a stored line start.
   *
   * @param line its tasks that still run: others may have been taken back since
   */
  release(line: readonly Task[]): void {
    const [head, ...rest] = line;
    rest.forEach(({ id }) => this.held.forget(id));
    const steps = line.flatMap((task, index) => this.stepBefore(task, line[index + 1]) ?? []);
    if (head !== undefined && steps.length === 0) {
      this.begin(head);
    } else if (head !== undefined) {
      // If a step fails, the worker that takes the task claims its key and checks its turn.
      void Promise.allSettled(steps).then(() => this.begin(head));
    }
  }

  /** Whether the job of the task before it links to its own: whoever ends that job starts this task. */
  isLinked(task: Task): boolean {
    return this.before.has(task);
  }

  private async put(lines: readonly (readonly Task[])[], isHeld: boolean): Promise<void> {
    const tasks = lines.flat();
    const isBehind = lines.some(([head]) => head?.prior !== undefined);
    try {
      const rests = isBehind ? await Promise.all(lines.map((line) => this.restOf(line))) : lines;
      await this.send(rests, isHeld ? this.holdMs : undefined);
      tasks.forEach((task) => this.collected.stored(task));
    } catch (error) {
      tasks.forEach((task) => this.refused.add(task));
      throw error;
    } finally {
      tasks.forEach((task) => {
        task.storing = undefined;
      });
    }
  }

  /** @throws StoreUnavailableError within the commit timeout */
  private async send(
    lines: readonly (readonly Task[])[],
    heldMs: number | undefined,
  ): Promise<void> {
    const { store } = this;
    const jobs = jobsOf(lines, this.id, heldMs);
    const sending: Sending = { isSent: false, isGivenUp: false };
    try {
      const ids = jobs.length === 0 ? [] : await store.inTime(this.insert(jobs, sending));
      this.stored(lines, jobs, ids, heldMs);
    } catch (cause) {
      sending.isGivenUp = true;
      if (sending.isSent && !isUnsent(cause)) {
        // The jobs may have landed all the same, and must not run: the client is told that they failed.
        jobs.forEach(({ task }) => this.held.retract(linkOf(task)));
      }
      throw new StoreUnavailableError(store.label, { cause });
    }
  }

  /** The tasks of a line that must be stored, given the outcome of the task before the line. */
  private async restOf(line: readonly Task[]): Promise<readonly Task[]> {
    const [head] = line;
    const prior = head?.prior;
    if (head === undefined || prior === undefined) {
      return line;
    }
    await this.whenStored(prior);
    if (!prior.isOver) {
      return line;
    }
    head.prior = undefined;
    const { dropped } = following(prior.chain, standingOf(prior), line);
    dropped.forEach((task) => this.drop(task, 'predecessor-failed'));
    return line.filter((task) => !dropped.includes(task));
  }

  private async insert(jobs: readonly NewJob[], sending: Sending): Promise<readonly string[]> {
    const { store } = this;
    jobs.forEach(({ task }) => this.held.keep(task.id));
    await store.ready();
    if (sending.isGivenUp) {
      throw new Error('The commit has timed out.');
    }
    sending.isSent = true;
    const entries = jobs.map((job) => entryOf(store.queue(job.task.queue), job));
    const [{ queueName, jobData, jobId, parentKeyOpts }] = entries;
    const { backend } = store.queue(queueName);
    if (entries.length === 1) {
      // A single command is a transaction of its own, and costs less than opening one.
      return [await backend.addJob(jobData, jobId, parentKeyOpts)];
    }
    const results = await backend.addFlow(entries);
    return results.map(([error, id]) => {
      if (error !== null) {
        throw error;
      }
      return String(id);
    });
  }

  private stored(
    lines: readonly (readonly Task[])[],
    jobs: readonly NewJob[],
    ids: readonly string[],
    heldMs: number | undefined,
  ): void {
    for (const { task, data } of jobs) {
      if (data.dedupe !== undefined) {
        this.unclaimed.add(task);
      }
    }
    for (const line of lines) {
      line.forEach((task, index) => {
        const before = line[index - 1];
        if (before !== undefined) {
          this.before.set(task, before);
        } else if (heldMs !== undefined) {
          this.held.hold(task, heldMs);
        }
      });
    }
    // The store already has tasks with the dedupe keys of these.
    const duplicates = jobs.filter(({ task }, index) => ids[index] !== task.id);
    duplicates.forEach(({ task }) => this.drop(task, 'duplicate'));
  }

  private begin(head: Task): void {
    if (this.before.has(head)) {
      // The tasks before it were taken back, so nobody else starts it.
      void this.held.start(linkOf(head), head.settings.delayMs);
    } else {
      this.held.release(head);
    }
  }

  private stepBefore(task: Task, next: Task | undefined): Promise<void> | undefined {
    const isUnclaimed = this.unclaimed.delete(task);
    const before = next && this.before.get(next);
    const hasGap = before !== undefined && before !== task;
    if (!isUnclaimed && !hasGap) {
      return undefined;
    }
    const preparing = this.prepare(task, isUnclaimed, hasGap ? next : undefined);
    task.storing = preparing; // a cancellation writes to the same job, and waits for this
    return preparing;
  }

  /** @param next the task behind it, if the tasks between them were taken back */
  private async prepare(task: Task, isUnclaimed: boolean, next: Task | undefined): Promise<void> {
    const { store } = this;
    const { queue, id, keys } = task;
    // A task whose key another one has by now is a duplicate.
    const isDuplicate =
      isUnclaimed && !(await store.claimKey(queue, dedupeIdOf(keys?.dedupe ?? ''), id));
    if (isDuplicate || next !== undefined) {
      const job = await store.queue(queue).getJob(id);
      const change = { ...(isDuplicate && { isDuplicate }), ...(next && { next: linkOf(next) }) };
      await job?.updateData({ ...job.data, ...change });
    }
  }

  private drop(task: Task, reason: DropReason): void {
    if (task.isOver) {
      return; // its request has failed meanwhile, on another engine
    }
    this.collected.takeOut(task);
    task.isOver = true;
    task.hasCompleted = reason === 'duplicate';
    this.worker.announce(task, { kind: 'dropped', reason });
  }

  /** @throws StoreUnavailableError */
  private async inSchedules<T>(act: (records: ScheduleRecords) => Promise<T>): Promise<T> {
    const { store } = this;
    try {
      return await store.inTime(store.ready().then(() => act(store.schedules())));
    } catch (cause) {
      throw new StoreUnavailableError(store.label, { cause }, store.isClosing ? 'closed' : 'read');
    }
  }
}
