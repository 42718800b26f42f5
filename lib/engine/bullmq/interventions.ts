import type { Task } from '../../task/task.js';
import type { Restore } from '../engine.js';
import { DUPLICATE } from './codec/stored-end.js';
import {
  endOfJob,
  jobsBehind,
  linkTo,
  storedTaskOf,
  type JobData,
  type TaskJob,
} from './codec/stored-job.js';
import type { Producer } from './commit/producer.js';
import type { HeldJobs } from './consumer/held-jobs.js';
import { isAnswer } from './store/connections.js';
import type { JobStore } from './store/job-store.js';
import type { StoredTasks } from './view/stored-tasks.js';

/** Cancels, retries or forgets a stored task by its id. */
export class Interventions {
  /** @param withdraw cancels a task that is collected here; `false` if it no longer is */
  constructor(
    private readonly store: JobStore,
    private readonly stored: StoredTasks,
    private readonly producer: Producer,
    private readonly held: HeldJobs,
    private readonly restore: Restore,
    private readonly withdraw: (task: Task) => boolean,
  ) {}

  /**
   * @param own this process's handle of the task, if it has one
   * @returns whether there was such a task that had not settled
   */
  async cancel(id: string, own?: Task): Promise<boolean> {
    await this.held.whenRecorded(id);
    if (this.held.cancel(id)) {
      return true;
    }
    const job = await this.stored.job(id);
    if (job === undefined || endOfJob(job) !== undefined) {
      return false;
    }
    // The worker that takes the job next ends it, and its line goes on. One that has it already is told.
    const isMarked = await isDone(job.updateData({ ...job.data, isCancelled: true }));
    const state = isMarked ? await job.getState() : 'unknown';
    if (state === 'completed' || state === 'failed' || state === 'unknown') {
      const end = await this.stored.job(id);
      return end !== undefined && endOfJob(end)?.status === 'cancelled';
    }
    const { next, prior, isInChain } = job.data;
    const isAlone = next === undefined && prior === undefined && isInChain === undefined;
    if (isAlone && state !== 'active' && (await this.remove(job, own))) {
      return true;
    }
    await this.store.tellCancel(id);
    if (state === 'delayed') {
      // Others wait for the job, so it skips its delay. If its turn has not come, its worker puts it off.
      this.producer.held.hasten(linkTo(job));
    }
    return true;
  }

  private async remove(job: TaskJob, own: Task | undefined): Promise<boolean> {
    if (!(await isDone(job.remove()))) {
      return false;
    }
    if (own === undefined || !this.withdraw(own)) {
      const task = this.restored(job);
      if (task !== undefined) {
        this.held.announce(task, { kind: 'cancelled' });
      }
    }
    return true;
  }

  /** @returns `undefined` if the task cannot be restored here, which is no reason to keep it */
  private restored(job: TaskJob): Task | undefined {
    try {
      return this.restore([storedTaskOf(job)], job.data.by === this.producer.id)[0];
    } catch {
      return undefined;
    }
  }

  /** Removes a task that has settled. @returns whether there was one */
  async forget(id: string): Promise<boolean> {
    const job = await this.stored.job(id);
    if (job === undefined || endOfJob(job) === undefined) {
      return false;
    }
    return isDone(job.remove());
  }

  /** Queues a failed task again with its attempts reset, and the rest of its chain behind it. */
  async retry(id: string): Promise<Task | undefined> {
    const job = await this.stored.job(id);
    if (job === undefined || endOfJob(job)?.status !== 'failed') {
      return undefined;
    }
    const rest = await this.droppedBehind(job);
    const { data, queueName, deduplicationId } = job;
    // Its line has gone on without it: only the tasks dropped because of it follow it now.
    const again: JobData = {
      ...data,
      end: undefined,
      next: rest[0] && linkTo(rest[0]),
      prior: undefined,
      needs: undefined,
      isLastAlone: undefined,
      waits: undefined,
      isDuplicate: undefined,
      isCancelled: undefined,
      forgivenStarts: job.stalledCounter,
    };
    // The task lost its dedupe key when it failed, and another task may have the key by now.
    const hasKey =
      deduplicationId === undefined || (await this.store.claimKey(queueName, deduplicationId, id));
    if (!(await job.isFailed())) {
      return undefined; // somebody else has retried it: its new data must not be overwritten
    }
    try {
      await job.updateData(hasKey ? again : { ...again, end: DUPLICATE });
      await job.retry('failed', ANEW);
    } catch (error) {
      if (isAnswer(error)) {
        return undefined; // somebody else has retried or forgotten it meanwhile
      }
      throw error;
    }
    await this.bringBack(job, rest);
    job.attemptsMade = 0;
    const [task] = this.restore([storedTaskOf(job)]);
    if (task !== undefined) {
      task.status = 'queued';
    }
    return task;
  }

  /** The tasks of its chain that were dropped because it failed, as far as the store remembers them. */
  private async droppedBehind(failed: TaskJob): Promise<TaskJob[]> {
    const rest: TaskJob[] = [];
    for await (const job of jobsBehind(failed, ({ queue, id }) =>
      this.store.queue(queue).getJob(id),
    )) {
      const isOfChain = job.data.needs?.id === (rest.at(-1) ?? failed).id;
      if (isOfChain && endOfJob(job)?.reason === 'predecessor-failed') {
        rest.push(job);
      }
    }
    return rest;
  }

  /** Goes in order, each job after its predecessor: a job taken while that one is failed is dropped again. */
  private async bringBack(first: TaskJob, rest: readonly TaskJob[]): Promise<void> {
    let prior = linkTo(first);
    for (const [index, job] of rest.entries()) {
      const next = rest[index + 1];
      const links = { prior, needs: prior, next: next && linkTo(next) };
      await job.updateData({ ...job.data, ...links, end: undefined, isBroken: undefined });
      await job.retry('completed', ANEW);
      prior = linkTo(job);
    }
  }
}

const ANEW = { resetAttemptsMade: true, resetAttemptsStarted: true };

/** @returns `false` if the store refused: the job is gone, or a worker has it */
async function isDone(change: Promise<unknown>): Promise<boolean> {
  try {
    await change;
    return true;
  } catch (error) {
    // On Redis a locked job is refused without a code.
    if (isAnswer(error) || /locked by another worker/.test(String(error))) {
      return false;
    }
    throw error;
  }
}
