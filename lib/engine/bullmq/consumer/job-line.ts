import { turnOf, type Standing, type Turn } from '../../../task/line.js';
import { breaksChain } from '../../../task/outcome.js';
import type { Verdict } from '../../../task/verdict.js';
import {
  PutBack,
  TaskFailed,
  TaskRetries,
  endOf,
  verdictOf,
  type End,
  type StoredEnd,
} from '../codec/stored-end.js';
import { endOfJob, jobsBehind, linkTo, type JobLink, type TaskJob } from '../codec/stored-job.js';
import type { JobStore } from '../store/job-store.js';
import type { Held, HeldJobs } from './held-jobs.js';

/** Follows the links between jobs: whether a job's turn has come, and whose turn is next. */
export class JobLine {
  constructor(private readonly store: JobStore) {}

  /** Whether the tasks that this one depends on allow it to run. */
  async turnOf({ data }: TaskJob): Promise<Turn> {
    const { prior, needs, isBroken } = data;
    const before = prior && (await this.standingOf(prior));
    if (isBroken && before !== 'open') {
      return 'never';
    }
    const isSame = needs?.id === prior?.id;
    return turnOf(before, isSame ? before : needs && (await this.standingOf(needs)));
  }

  /**
   * Marks a job whose needed task did not complete, because the store does not know that or may forget it.
   * The worker that takes the job drops it.
   */
  async breakOff(link: JobLink): Promise<void> {
    await this.store.untilAnswered(async () => {
      const job = await this.store.queue(link.queue).getJob(link.id);
      await job?.updateData({ ...job.data, isBroken: true });
    });
  }

  /** Finds the job further down the line that needs this one, and {@link breakOff breaks} it off. */
  async breakChain(job: TaskJob): Promise<void> {
    for await (const next of jobsBehind(job, (link) => this.jobAt(link))) {
      if (next.data.needs?.id === job.id) {
        return this.breakOff(linkTo(next));
      }
    }
  }

  /** Lets a job start, because the one before it has ended. */
  async passOn(next: JobLink): Promise<void> {
    const job = await this.jobAt(next);
    const { delayMs = 0, isCancelled } = job?.data ?? {};
    // A job cancelled meanwhile skips its delay, because others wait for it.
    const isFree = delayMs === 0 || isCancelled;
    await this.store
      .untilAnswered(async () => (isFree ? job?.promote() : job?.changeDelay(delayMs)))
      .catch(() => undefined); // the job was released before
  }

  /** A job that is no longer in the store has settled long ago, or was taken back. */
  private async standingOf(link: JobLink): Promise<Standing> {
    const job = await this.jobAt(link);
    if (job === undefined) {
      return 'completed';
    }
    const end = job.data.end ?? endOfJob(job);
    if (end === undefined) {
      return 'open';
    }
    return breaksChain(end) ? 'failed' : 'completed';
  }

  private jobAt({ queue, id }: JobLink): Promise<TaskJob | undefined> {
    return this.store.untilAnswered(() => this.store.queue(queue).getJob(id));
  }
}

/**
 * Tells BullMQ what to do with a job after its attempt, or without one. If the promise resolves, BullMQ keeps
 * its value as the end of a completed job. Every other answer is a rejection.
 */
export class JobEnding {
  constructor(
    private readonly store: JobStore,
    private readonly held: HeldJobs,
    private readonly line: JobLine,
    private readonly lockDurationMs: number,
  ) {}

  /** @throws TaskRetries, TaskFailed, PutBack */
  async conclude(held: Held, verdict: Verdict): Promise<StoredEnd> {
    if (held.isCancelled && (verdict.kind === 'retry' || verdict.kind === 'abandoned')) {
      return this.end(held, { kind: 'cancelled' });
    }
    held.verdict = verdict; // a cancellation that comes now waits until it is recorded
    switch (verdict.kind) {
      case 'retry':
        if (verdict.waits !== undefined) {
          const data = { ...held.job.data, waits: verdict.waits };
          await this.keepLock(held);
          await this.store.untilAnswered(() => held.job.updateData(data));
        }
        throw signalOf(new TaskRetries(verdict.error, verdict.delayMs), held.job);
      case 'abandoned':
        // The next worker with a free slot goes on with the task; the attempt does not count.
        return this.putBack(held.job).finally(() =>
          this.held.announce(held.task, { kind: 'abandoned', isKept: true }),
        );
      default:
        return this.end(held, verdict);
    }
  }

  /** @throws TaskFailed, PutBack */
  end(held: Held, verdict: End): Promise<StoredEnd> {
    return this.finish(held, verdict, endOf(held.task, verdict, this.store.clock.now()));
  }

  /** Finishes a job whose worker died after it wrote the end. @throws TaskFailed, PutBack */
  goOn(held: Held, end: StoredEnd): Promise<StoredEnd> {
    return this.finish(held, verdictOf(end), end);
  }

  /** Some worker takes the job again at once. @throws PutBack */
  async putBack(job: TaskJob): Promise<never> {
    await this.leave(job, job.moveToWait(job.token));
    await this.store.wake(job.queueName).catch(() => undefined);
    throw new PutBack('WaitingError');
  }

  /** Some worker takes the job again after the delay. @throws PutBack */
  async putOff(job: TaskJob, delayMs: number): Promise<never> {
    await this.leave(job, job.moveToDelayed(Date.now() + delayMs, job.token));
    throw new PutBack('DelayedError');
  }

  /** If the store cannot be reached, the job comes back when its lock expires. */
  private async leave({ name, id }: TaskJob, moved: Promise<unknown>): Promise<void> {
    await moved.catch((error: unknown) => {
      const { label, logger } = this.store;
      logger.warn(`${label}: ${name} (${id}) waits until its lock expires: ${String(error)}`);
    });
  }

  /**
   * Renews the lock before a write for which BullMQ does not check it: a worker that has lost the lock must
   * write nothing and release nobody while another one runs the task.
   *
   * @throws PutBack if another worker has the job
   */
  private async keepLock({ job }: Held): Promise<void> {
    const extend = (): Promise<number> => job.extendLock(job.token ?? '', this.lockDurationMs);
    if ((await this.store.untilAnswered(extend)) !== 1) {
      throw new PutBack('WaitingError');
    }
  }

  /**
   * Writes the end first, then releases the next task of the line, then finishes the job. If the worker dies
   * in between, another worker finishes the job from its written end, without a second run.
   */
  private async finish(held: Held, verdict: End, end: StoredEnd): Promise<StoredEnd> {
    const { job } = held;
    const { data } = job;
    held.verdict = verdict;
    if (data.next !== undefined) {
      await this.keepLock(held);
      await this.store.untilAnswered(() => job.updateData({ ...data, end }));
      if (data.isInChain && breaksChain(end)) {
        await this.line.breakChain(job);
      }
      await this.line.passOn(data.next);
    }
    if (verdict.kind === 'failed') {
      throw signalOf(new TaskFailed(verdict.error), job);
    }
    return end;
  }
}

/** BullMQ reads from the job's options whether it may retry. The task's policy has given that answer. */
function signalOf<Signal extends TaskRetries | TaskFailed>(signal: Signal, job: TaskJob): Signal {
  const mayRetry = signal instanceof TaskRetries;
  job.opts.attempts = mayRetry ? job.attemptsMade + 2 : 0;
  job.opts.backoff = { type: 'custom' };
  return signal;
}
