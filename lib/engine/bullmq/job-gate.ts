import type { JobWorker } from './job-store.js';
import type { TaskJob } from './stored-job.js';

/** Its own way of taking the next job, which BullMQ does not mean to be called from outside. */
interface Taking {
  moveToActive(token: string, name?: string): Promise<TaskJob | undefined>;
}

/**
 * Keeps a worker from asking for jobs while it is not to. BullMQ's pause and close leave one that
 * waits for a job waiting: it takes the next one that comes, on PostgreSQL also as it is told to
 * close, when it can no longer run it. Nobody else gets that job before its lock ends.
 *
 * One that was asked for before comes all the same: the consumer puts it back.
 */
export function gate(worker: JobWorker, isOpen: () => boolean): void {
  const taking = worker as unknown as Taking;
  const moveToActive = taking.moveToActive.bind(worker);
  taking.moveToActive = async (token, name) => {
    const job = isOpen() ? await moveToActive(token, name) : undefined;
    if (job === undefined || isOpen()) {
      return job;
    }
    // Closed meanwhile. Where the store cannot be reached any more, the lock's end gives it back.
    await job.moveToWait(token).catch(() => undefined);
    return undefined;
  };
}
