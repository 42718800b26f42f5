import type { Clock } from '../../task/clock.js';
import { PutBack, TaskFailed } from './job-signals.js';
import type { JobWorker } from './job-store.js';
import { isAnswer } from './store-answer.js';
import type { WrittenEnd } from './stored-end.js';
import type { TaskJob } from './stored-job.js';

/** Its own ways of recording how a job has ended, which BullMQ does not mean to be called from outside. */
interface Recording {
  handleCompleted(end: WrittenEnd, job: TaskJob, ...rest: unknown[]): Promise<unknown>;
  handleFailed(error: Error, job: TaskJob, ...rest: unknown[]): Promise<unknown>;
}

/** How long to wait before it is tried again, in milliseconds. */
const AGAIN_MS = 500;

/**
 * Lets a job fail by what its task throws, and by nothing else. An error of a store that is about to
 * stop, met while BullMQ records that a job has completed, would else be what the job failed of.
 *
 * @param isClosed whether nothing is recorded any more
 * @param over is told that BullMQ is done with a job that it has not recorded as completed
 */
export function recordVerdicts(
  worker: JobWorker,
  clock: Clock,
  isClosed: () => boolean,
  over: (job: TaskJob) => void,
): void {
  const recording = worker as unknown as Recording;
  const handleCompleted = recording.handleCompleted.bind(worker);
  const handleFailed = recording.handleFailed.bind(worker);
  const record = async (error: Error, job: TaskJob, rest: unknown[]): Promise<unknown> => {
    const isVerdict = error instanceof TaskFailed || error instanceof PutBack;
    const hasCompleted = !isVerdict && (job.returnvalue as WrittenEnd | null) !== null;
    if (hasCompleted && isAnswer(error)) {
      throw error; // it was recorded, or is another worker's by now
    }
    for (;;) {
      try {
        return hasCompleted
          ? // BullMQ has set what it was to record, but for a 0.
            await handleCompleted(job.returnvalue ?? 0, job, ...rest)
          : await handleFailed(error, job, ...rest);
      } catch (refusal) {
        if (isAnswer(refusal) || isClosed()) {
          throw refusal;
        }
        await new Promise<void>((done) => void clock.after(AGAIN_MS, done));
      }
    }
  };
  recording.handleFailed = async (error, job, ...rest) => {
    try {
      return await record(error, job, rest);
    } finally {
      over(job);
    }
  };
}
