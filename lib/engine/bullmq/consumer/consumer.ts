import { TaskCrashedError } from '../../../errors/storage.errors.js';
import type { Task } from '../../../task/task.js';
import type { Restore } from '../../engine.js';
import type { StoredEnd } from '../codec/stored-end.js';
import { FORMAT, storedTaskOf, type TaskJob } from '../codec/stored-job.js';
import type { JobStore } from '../store/job-store.js';
import type { Held, HeldJobs } from './held-jobs.js';
import { JobEnding, JobLine } from './job-line.js';
import type { Workers } from './workers.js';

/** How long a task whose predecessor is not over waits before it looks again. */
const LOOK_AGAIN_MS = 5_000;
/** How long a task that cannot be made here is left to other processes: at first, and at the longest. */
const LEAVE_MS = { first: 100, longest: 30_000 };

/** Has the tasks attempted that the workers take from the store. */
export class Consumer {
  private readonly line: JobLine;
  private readonly ending: JobEnding;
  /** Of each queue those that were told of. */
  private readonly unknownNames = new Set<string>();

  /** @param processId this process, as the jobs that it adds name it */
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

  /** Once the store has been reached. */
  start(): void {
    this.workers.start((job) => this.process(job));
    this.store.listen(
      (id) => void this.held.cancel(id),
      () => void this.cancelMarked(),
    );
  }

  /** Cancels what was marked while nobody here could hear of it. */
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
      // It was asked for, together with the end of the one before it, when the worker was not paused.
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

  /** @throws where it cannot be made again here, or those that it is linked to are not to be found */
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
   * Another process may know it, or be able to make it: a newer version, one with another serializer or
   * with more queues. It goes back at once, and this worker takes nothing for a moment: so it reaches each
   * other worker that is idle. Where it comes back it waits, which is not long at first.
   *
   * @param error why it cannot be made here; without one it is of a name that nobody here has
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
      this.held.letGo(held);
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

  /** The process that stored it may have died before it could claim it. */
  private async hasKey({ queueName, id = '', data: { dedupe } }: TaskJob): Promise<boolean> {
    const { store } = this;
    return dedupe === undefined || store.untilAnswered(() => store.claimKey(queueName, dedupe, id));
  }

  /** Which of those that ran when their process died has killed it, only this tells. */
  private async attemptAlone(held: Held, starts: number): Promise<StoredEnd> {
    const { task, job } = held;
    if (this.held.isStopping) {
      this.held.letGo(held);
      return this.ending.putBack(job);
    }
    this.store.logger.warn(
      `Task ${task.name} (${task.id}) was running when its process died, ${starts} times. It runs alone now, ` +
        'for the last time.',
    );
    await this.store.untilAnswered(() => job.updateData({ ...job.data, isLastAlone: true }));
    return this.attempt(held);
  }

  private attempt(held: Held): Promise<StoredEnd> {
    return this.held.attempt(held, (verdict) => this.ending.conclude(held, verdict));
  }
}
