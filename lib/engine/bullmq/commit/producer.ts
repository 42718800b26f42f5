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

/** Puts tasks into the store, holds them until they are released, and takes back what is not to run. */
export class Producer {
  /** The process, as its jobs name it. */
  readonly id = randomBytes(9).toString('base64url');
  readonly held: HeldTasks;
  /** Of each task that was stored behind another of its line, that one: its job has a link to this one. */
  private readonly before = new WeakMap<Task, Task>();
  /** Stored without their dedupe keys. */
  private readonly unclaimed = new WeakSet<Task>();
  /** What the store has of those is taken back already. */
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
   * Stores lines in one transaction, whatever queues they are for.
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

  /** The store is not to run it after all, whether it has it by now or will. */
  async takeBack(task: Task): Promise<void> {
    await this.whenStored(task);
    if (!this.refused.has(task)) {
      this.held.retract(linkOf(task));
    }
  }

  /**
   * In a transaction of somebody else's, whose commit releases it: where the store has a part in such.
   *
   * @returns its id, or that of the task that stands for its dedupe key
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

  /** Their records lie beside the jobs that they add. */
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
   * A stored line may start.
   *
   * @param line those of it that are to run: others may have been taken back since
   */
  release(line: readonly Task[]): void {
    const [head, ...rest] = line;
    rest.forEach(({ id }) => this.held.forget(id));
    const steps = line.flatMap((task, index) => this.stepBefore(task, line[index + 1]) ?? []);
    if (head !== undefined && steps.length === 0) {
      this.begin(head);
    } else if (head !== undefined) {
      // Where the store is away, who takes it sees to its key, and looks whether its turn has come.
      void Promise.allSettled(steps).then(() => this.begin(head));
    }
  }

  /** Whether the job of the task before it is linked to its own: whoever ends that one starts it. */
  isLinked(task: Task): boolean {
    return this.before.has(task);
  }

  private async put(lines: readonly (readonly Task[])[], isHeld: boolean): Promise<void> {
    const tasks = lines.flat();
    try {
      const isBehind = lines.some(([head]) => head?.prior !== undefined);
      const rests = isBehind ? await Promise.all(lines.map((line) => this.restOf(line))) : lines;
      const toStore = rests.filter(({ length }) => length > 0);
      if (toStore.length > 0) {
        await this.add(toStore, isHeld ? this.holdMs : undefined);
      }
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

  /** What of a line is for the store, given what became of the task that it stands behind. */
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

  /** @throws StoreUnavailableError within the commit timeout */
  private async add(
    lines: readonly (readonly Task[])[],
    heldMs: number | undefined,
  ): Promise<void> {
    const { store } = this;
    const jobs = jobsOf(lines, this.id, heldMs);
    jobs.forEach(({ task }) => this.held.keep(task.id));
    let isSent = false;
    let isGivenUp = false;
    const insert = async (): Promise<readonly string[]> => {
      await store.ready();
      if (isGivenUp) {
        throw new Error('Nobody waits for it any longer.');
      }
      isSent = true;
      return this.insert(jobs);
    };
    try {
      const ids = await store.inTime(insert());
      this.stored(lines, jobs, heldMs);
      // The store knew those already, by their dedupe keys.
      const duplicates = jobs.filter(({ task }, index) => ids[index] !== task.id);
      duplicates.forEach(({ task }) => this.drop(task, 'duplicate'));
    } catch (cause) {
      isGivenUp = true;
      if (isSent && !isUnsent(cause)) {
        // It may have landed all the same, and must not run: the client is told that it failed.
        jobs.forEach(({ task }) => this.held.retract(linkOf(task)));
      }
      throw new StoreUnavailableError(store.label, { cause });
    }
  }

  private async insert(jobs: readonly NewJob[]): Promise<readonly string[]> {
    const { store } = this;
    const entries = jobs.map((job) => entryOf(store.queue(job.task.queue), job));
    const [first, ...others] = entries;
    if (first === undefined) {
      return [];
    }
    const { backend } = store.queue(first.queueName);
    if (others.length === 0) {
      // One command is a transaction of its own, and costs less than to open one.
      return [await backend.addJob(first.jobData, first.jobId, first.parentKeyOpts)];
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
  }

  private begin(head: Task): void {
    if (this.before.has(head)) {
      // Those before it were taken back: nobody else is to start it.
      void this.held.start(linkOf(head), head.settings.delayMs);
    } else {
      this.held.release(head);
    }
  }

  private stepBefore(task: Task, next: Task | undefined): Promise<void> | undefined {
    const isUnclaimed = this.unclaimed.delete(task);
    const before = next && this.before.get(next);
    const hasGap = before !== undefined && before !== task;
    return isUnclaimed || hasGap
      ? this.prepare(task, isUnclaimed, hasGap ? next : undefined)
      : undefined;
  }

  /** @param next the one behind it, where those between them were taken back */
  private async prepare(task: Task, isUnclaimed: boolean, next: Task | undefined): Promise<void> {
    const { store } = this;
    const { queue, id, keys } = task;
    // Whose key another task has by now is a duplicate.
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
      return; // its request has failed meanwhile, by another engine
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
