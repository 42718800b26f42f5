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

/** How long what was fetched as its worker closed may take to be put back, in milliseconds. */
const PUT_BACK_MS = 800;

/** What is overridden and called below, all of it `protected` in BullMQ 6.7. */
const PROTECTED = ['moveToActive', 'nextJobFromJobData', 'handleCompleted', 'handleFailed'];

/** Which of the methods that are needed here BullMQ does not have any more: its own worker serves then. */
export function missingFrom({ prototype }: WorkerClass): string[] {
  return PROTECTED.filter((name) => typeof Reflect.get(prototype, name) !== 'function');
}

/**
 * BullMQ's worker with four repairs, each needed as of BullMQ 6.7.
 *
 * - It fetches as many jobs as it may run, one after the other, before it runs the first, and renews the
 *   locks only of those that run. Where the store answers slowly, the first locks end meanwhile and the
 *   jobs run twice. Here a lock is renewed from the fetch on.
 * - Its pause and close leave a worker that waits for a job waiting: it takes the next one that comes,
 *   on PostgreSQL also as it is told to close, when it can no longer run it. Here it asks for none while
 *   the gate is shut, puts back the one that it got as the gate was shut, and lets the others know of the
 *   one that it was woken for.
 * - Its close, forced, leaves what it has just fetched active, locked by nobody. Here that is put back.
 * - An error of a store that is about to stop, met while BullMQ records that a job has completed, would
 *   be what the job failed of. Here a job fails by what its task throws, and by nothing else.
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
      // Where the store cannot be reached any more, the lock's end gives it back.
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

    /** What was fetched is back in its queue before the connections end, if the store can be reached. */
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
        throw error; // it was recorded, or is another worker's by now
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
