import type { JobJson, WorkerOptions } from 'bullmq';
import { systemClock } from '../../../task/clock.js';
import { atMost } from '../../patience.js';
import { PutBack, TaskFailed, type StoredEnd } from '../codec/stored-end.js';
import type { JobData, JobWorker, TaskJob } from '../codec/stored-job.js';
import { isAnswer } from './connections.js';
import type { BullMQ, WorkerGate } from './job-store.js';

type WorkerClass = BullMQ['Worker'];

/** How long to wait before recording is tried again, in milliseconds. */
const AGAIN_MS = 500;

/** How long a closing worker may take to put back the jobs that it has fetched, in milliseconds. */
const PUT_BACK_MS = 800;

/** The methods that are overridden or called below, all `protected` in BullMQ 6.7. */
const PROTECTED = ['moveToActive', 'nextJobFromJobData', 'handleCompleted', 'handleFailed'];

/** The needed methods that this BullMQ lacks. If there are any, its own worker serves. */
export function missingFrom({ prototype }: WorkerClass): string[] {
  return PROTECTED.filter((name) => typeof Reflect.get(prototype, name) !== 'function');
}

/**
 * BullMQ's worker with four repairs, each needed as of BullMQ 6.7.
 *
 * - BullMQ fetches as many jobs as it may run, one after the other, before it runs the first, and renews
 *   only the locks of running jobs. If the store is slow, the first locks expire meanwhile and their jobs
 *   run twice. Here a lock is renewed from the fetch on.
 * - BullMQ's pause and close do not stop a worker's wait for a job: it takes the next job, on PostgreSQL
 *   even during the close, when it can no longer run it. Here a worker asks for no job while the gate is
 *   shut, puts back a job that it got as the gate shut, and wakes another worker for the job that it was
 *   woken for.
 * - A forced close leaves a job that was just fetched active and unlocked. Here that job is put back.
 * - If a store that is about to stop returns an error while BullMQ records a completed job, BullMQ fails
 *   the job with that error. Here a job fails only by what its task throws.
 */
export function createTaskWorker(
  Worker: WorkerClass,
  gate: WorkerGate,
  name: string,
  options: WorkerOptions,
  backend?: unknown,
): JobWorker {
  class TaskWorker extends Worker<JobData, StoredEnd> {
    protected override async moveToActive(token: string, worker?: string): Promise<TaskJob> {
      if (!gate.isOpen()) {
        gate.declined();
        return undefined as never;
      }
      const job = await super.moveToActive(token, worker);
      if (job === undefined || gate.isOpen()) {
        return job;
      }
      // If the store cannot be reached, the job comes back when its lock expires.
      this.lockManager.untrackJob(job.id ?? '');
      await job.moveToWait(token).catch(() => undefined);
      gate.declined();
      return undefined as never;
    }

    protected override async nextJobFromJobData(...fetched: Fetched): Promise<TaskJob> {
      const job = await super.nextJobFromJobData(...fetched);
      if (job?.token !== undefined) {
        this.lockManager.trackJob(job.id ?? '', job.token, job.processedOn ?? Date.now());
      }
      return job;
    }

    /** Fetched jobs are back in their queue before the connections end, if the store can be reached. */
    override async close(isForced?: boolean): Promise<void> {
      await this.pause(true);
      const handled = this.backend.disconnectBlocking(false).then(() => this.mainLoopRunning);
      await atMost(systemClock, PUT_BACK_MS, handled);
      return super.close(isForced);
    }

    protected override async handleFailed(
      error: Error,
      job: TaskJob,
      ...rest: HandleRest
    ): Promise<TaskJob> {
      try {
        return await this.record(error, job, rest);
      } finally {
        gate.over(job);
      }
    }

    private async record(error: Error, job: TaskJob, rest: HandleRest): Promise<TaskJob> {
      const isVerdict = error instanceof TaskFailed || error instanceof PutBack;
      const hasCompleted = !isVerdict && (job.returnvalue as StoredEnd | null) !== null;
      if (hasCompleted && isAnswer(error)) {
        throw error; // the job was recorded, or another worker has it by now
      }
      for (;;) {
        try {
          return hasCompleted
            ? await super.handleCompleted(job.returnvalue, job, ...rest)
            : await super.handleFailed(error, job, ...rest);
        } catch (refusal) {
          if (isAnswer(refusal) || gate.isClosed()) {
            throw refusal;
          }
          this.emit('error', refusal as Error);
          await this.delay(AGAIN_MS);
        }
      }
    }
  }
  const Fitting = missingFrom(Worker).length === 0 ? TaskWorker : Worker<JobData, StoredEnd>;
  return new Fitting(name, (job) => gate.process(job), options, backend as undefined);
}

type Fetched = [job?: JobJson, id?: string, token?: string];

type HandleRest = [token: string, fetchNext?: () => boolean, span?: never];
