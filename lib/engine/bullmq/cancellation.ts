import type { Task } from '../../task/task.js';
import type { Restore, Worker } from '../engine.js';
import { linkTo, storedTaskOf, type TaskJob } from './codec/stored-job.js';
import type { CollectedTasks } from './commit/collected-tasks.js';
import type { Producer } from './commit/producer.js';
import type { Consumers } from './consumer/consumers.js';
import type { JobStore } from './store/job-store.js';
import type { OwnHandles } from './view/own-handles.js';
import type { StoredTasks } from './view/stored-tasks.js';

/** Where a task that is to be cancelled may be. */
export interface CancellationHost {
  readonly store: JobStore;
  readonly stored: StoredTasks;
  readonly producer: Producer;
  readonly collected: CollectedTasks;
  readonly consumers: Consumers;
  readonly handles: OwnHandles;
  readonly worker: Worker;
  readonly restore: Restore;
  /** Gives back the place of a task that will not be released. */
  readonly discard: (task: Task) => void;
}

/** Cancels tasks, wherever they are collected, wait or run. */
export class Cancellation {
  constructor(private readonly host: CancellationHost) {}

  /** @returns whether there was anything left to cancel */
  cancelTask(task: Task): boolean | Promise<boolean> {
    if (task.isOver) {
      return false;
    }
    if (task.isCommitted || !this.host.collected.has(task)) {
      return this.cancelCommitted(task);
    }
    this.withdraw(task);
    return true;
  }

  /**
   * @param own this process's handle of it, where it is known
   * @returns whether there was such a task, and anything left to cancel
   */
  async cancel(id: string, own?: Task): Promise<boolean> {
    const { store, stored, producer, consumers } = this.host;
    if (consumers.cancel(id)) {
      return true;
    }
    const job = await stored.job(id);
    const state = await job?.getState();
    if (job === undefined || state === 'completed' || state === 'failed' || state === 'unknown') {
      return false;
    }
    const { next, prior, isInChain } = job.data;
    const isAlone = next === undefined && prior === undefined && isInChain === undefined;
    if (isAlone && state !== 'active' && (await this.remove(job, own))) {
      return true;
    }
    // Whoever has it or gets it next ends it; its line goes on from there.
    await job.updateData({ ...job.data, isCancelled: true });
    await store.tellCancel(id);
    if (state === 'delayed') {
      // Others wait for it, and it has nothing to wait for: where it has, who takes it puts it off.
      producer.hasten(linkTo(job));
    }
    return true;
  }

  /** It may be on its way to the store: looked for too early it would not be found, and land later. */
  private async cancelCommitted(task: Task): Promise<boolean> {
    await this.host.producer.whenStored(task);
    return !task.isOver && this.cancel(task.id, task);
  }

  private async remove(job: TaskJob, own: Task | undefined): Promise<boolean> {
    try {
      await job.remove();
    } catch {
      return false; // a worker has taken it meanwhile
    }
    const { collected, handles, worker } = this.host;
    if (own !== undefined && collected.has(own)) {
      this.withdraw(own);
      return true;
    }
    const task = this.restore(job);
    if (task !== undefined) {
      task.isOver = true;
      worker.announce(task, { kind: 'cancelled' });
      handles.settled(task);
    }
    return true;
  }

  /** @returns `undefined` where it cannot be made again here, which is no reason to keep it */
  private restore(job: TaskJob): Task | undefined {
    const { producer, restore } = this.host;
    try {
      return restore([storedTaskOf(job)], job.data.by === producer.id)[0];
    } catch {
      return undefined;
    }
  }

  /** This process has not released it yet. */
  private withdraw(task: Task): void {
    this.host.discard(task);
    this.host.worker.announce(task, { kind: 'cancelled' });
  }
}
