import { TaskCrashedError } from '../../../errors/storage.errors.js';
import type { Task } from '../../../task/task.js';
import type { Restore } from '../../engine.js';
import type { StoredEnd } from '../codec/stored-end.js';
import { FORMAT, storedTaskOf, type TaskJob } from '../codec/stored-job.js';
import type { JobStore } from '../store/job-store.js';
import type { Held, HeldJobs } from './held-jobs.js';
import { JobEnding, JobLine } from './job-line.js';
import type { Workers } from './workers.js';

/** How long until a task with an open predecessor has its turn checked again, in milliseconds. */
const LOOK_AGAIN_MS = 5_000;
/** How long a task that cannot run here is left to other processes, in milliseconds. */
const LEAVE_MS = { first: 100, longest: 30_000 };

/** Attempts the tasks that the workers take from the store. */
export class Consumer {
  private readonly line: JobLine;
  private readonly ending: JobEnding;
  /** The queues and names that were logged already. */
  private readonly unknownNames = new Set<string>();

  /** @param processId the id of this process in the jobs that it adds */
  constructor(
    private readonly store: JobStore,
    private readonly held: HeldJobs,
    private readonly workers: Workers,
    private readonly restoreAll: Restore,
    private readonly processId: string,
    private readonly settings: { readonly lockDurationMs: number; readonly maxStarts: number },
  ) {
    this.line = new JobLine(store);
    this.ending = new JobEnding(store, held, this.line, settings.lockDurationMs);
  }

  /** Call it once the store has been reached. */
  start(): void {
    this.workers.start((job) => this.process(job));
    this.store.listen(
      (id) => this.held.cancelMarked(id),
      () => void this.cancelMarked(),
    );
  }

  /** Cancels the tasks that were marked while this process could not hear of it. */
  private async cancelMarked(): Promise<void> {
    for (const { queue, id } of this.held.tasks) {
      const reading = this.store.queue(queue).getJob(id);
      const job = await reading.catch(() => undefined);
      if (job?.data.isCancelled) {
        this.held.cancel(id);
      }
    }
  }

  private process(job: TaskJob): Promise<StoredEnd> {
    if (!this.workers.isOpen(job.queueName)) {
      // BullMQ fetched the job as it finished the one before it, when the worker was not paused.
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

  /** @throws Error if the task cannot be restored here, or a linked task is in a queue unknown here */
  private restore(job: TaskJob): Task | undefined {
    const { v, by, prior, needs, next } = job.data;
    if (v !== FORMAT) {
      return undefined;
    }
    for (const link of [prior, needs, next]) {
      void (link && this.store.queue(link.queue));
    }
    const isReturning = by === this.processId || job.attemptsMade > 0;
    return this.restoreAll([storedTaskOf(job)], isReturning)[0];
  }

  /**
   * Another process may be able to run the task: a newer version, or one with another serializer or more
   * queues. The task goes back at once, and this worker takes nothing for a moment, so that an idle worker
   * elsewhere gets the task. If the task comes back here soon, it is delayed, not long at first.
   *
   * @param error why the task cannot be restored here; `undefined` if its name or format is unknown here
   */
  private leaveToOthers(job: TaskJob, error?: string): Promise<never> {
    const { name, id = '', queueName } = job;
    const { label, logger } = this.store;
    const kept = `after a while every ${LEAVE_MS.longest / 1_000} s.`;
    if (error !== undefined) {
      logger.error(
        `${label} has a task "${name}" (${id}) in queue "${queueName}" that cannot be made again here: ` +
          `${error}. It is kept, and tried again, ${kept}`,
      );
    } else if (!this.unknownNames.has(`${queueName} ${name}`)) {
      this.unknownNames.add(`${queueName} ${name}`);
      logger.error(
        `${label} has tasks named "${name}" in queue "${queueName}" that cannot be run here: no ` +
          '@Background() method has that name, or a newer version has stored them. They are kept, and ' +
          `tried again, ${kept} If the method was renamed, give it { aliases }.`,
      );
    }
    if (this.workers.sitOut(queueName)) {
      return this.ending.putBack(job);
    }
    const growth = 1.5 ** (job.attemptsStarted - 1);
    const delayMs = Math.min(LEAVE_MS.longest, Math.round(LEAVE_MS.first * growth));
    return this.ending.putOff(job, delayMs);
  }

  private async run(held: Held): Promise<StoredEnd> {
    const { task, job } = held;
    const { end, forgivenStarts = 0, isLastAlone, isCancelled, isDuplicate } = job.data;
    if (end !== undefined) {
      return this.ending.goOn(held, end);
    }
    const { maxStarts } = this.settings;
    const starts = job.stalledCounter - forgivenStarts;
    if (starts >= maxStarts && (isLastAlone || maxStarts === 1)) {
      const error = new TaskCrashedError(task.name, starts);
      return this.ending.end(held, { kind: 'failed', error });
    }
    const turn = await this.line.turnOf(job);
    if (turn === 'wait') {
      await this.letGo(held);
      return this.ending.putOff(job, LOOK_AGAIN_MS);
    }
    if (isCancelled || held.isCancelled) {
      return this.ending.end(held, { kind: 'cancelled' });
    }
    if (turn === 'never') {
      return this.ending.end(held, { kind: 'dropped', reason: 'predecessor-failed' });
    }
    if (!this.workers.isOpen(job.queueName)) {
      this.held.letGo(held);
      return this.ending.putBack(job);
    }
    if (isDuplicate || !(await this.hasKey(job))) {
      return this.ending.end(held, { kind: 'dropped', reason: 'duplicate' });
    }
    return starts > 0 && starts >= maxStarts - 1
      ? this.workers.alone(() => this.attemptAlone(held, starts))
      : this.attempt(held);
  }

  /** Claims the key as well: the process that stored the task may have died before it could. */
  private async hasKey({ queueName, id = '', data: { dedupe } }: TaskJob): Promise<boolean> {
    const { store } = this;
    return dedupe === undefined || store.untilAnswered(() => store.claimKey(queueName, dedupe, id));
  }

  /** Of several tasks that ran when their process died, only a start alone shows which one killed it. */
  private async attemptAlone(held: Held, starts: number): Promise<StoredEnd> {
    const { task, job } = held;
    if (this.held.isStopping) {
      await this.letGo(held);
      return this.ending.putBack(job);
    }
    this.store.logger.warn(
      `Task ${task.name} (${task.id}) was running when its process died, ${starts} times. It runs alone now, ` +
        'for the last time.',
    );
    await this.store.untilAnswered(() => job.updateData({ ...job.data, isLastAlone: true }));
    return this.attempt(held);
  }

  /** Only this process may know that the task is cancelled: whoever takes the job next has to know it. */
  private async letGo(held: Held): Promise<void> {
    const { job } = held;
    this.held.letGo(held);
    if (held.isCancelled) {
      await this.store.untilAnswered(() => job.updateData({ ...job.data, isCancelled: true }));
    }
  }

  private attempt(held: Held): Promise<StoredEnd> {
    if (held.isCancelled) {
      return this.ending.end(held, { kind: 'cancelled' }); // while the store was asked
    }
    return this.held.attempt(held, (verdict) => this.ending.conclude(held, verdict));
  }
}
