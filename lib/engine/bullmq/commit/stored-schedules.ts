import type { Task } from '../../../task/task.js';
import type { ScheduleStore } from '../../engine.js';
import { jobsOf, type NewJob } from '../codec/stored-job.js';
import type { JobStore } from '../store/job-store.js';
import type { Patience } from '../../patience.js';

/** Schedules whose records lie beside the jobs that they add. */
export class StoredSchedules implements ScheduleStore {
  constructor(
    private readonly store: JobStore,
    private readonly processId: string,
    private readonly patience: Patience,
    /** The store has the task now, and any process may go on with it. */
    private readonly leave: (task: Task) => void,
  ) {}

  load(): ReturnType<ScheduleStore['load']> {
    return this.ask(() => this.store.schedules().load());
  }

  async swap(
    name: string,
    before: string | undefined,
    after: string | undefined,
    task?: Task,
  ): ReturnType<ScheduleStore['swap']> {
    const job = task && this.jobOf(task);
    const result = await this.ask(() => this.store.schedules().swap(name, before, after, job));
    if (task !== undefined && result === 'done') {
      this.leave(task);
    }
    return result;
  }

  private jobOf(task: Task): NewJob | undefined {
    return jobsOf([[task]], this.processId, undefined, 0)[0];
  }

  private ask<T>(act: () => Promise<T>): Promise<T> {
    return this.patience.wait(this.store.ready().then(act));
  }
}
