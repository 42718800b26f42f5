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

/** What jobs' links say: whether the turn of one has come, and whose turn is next. */
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

  /** What it needs has not completed, and the store does not know, or may forget: whoever takes it drops it. */
  async breakOff(link: JobLink): Promise<void> {
    await this.store.untilAnswered(async () => {
      const job = await this.store.queue(link.queue).getJob(link.id);
      await job?.updateData({ ...job.data, isBroken: true });
    });
  }

  /** Finds the one further down the line that needs this one, and {@link breakOff breaks} it off. */
  async breakChain(job: TaskJob): Promise<void> {
    for await (const next of jobsBehind(job, (link) => this.jobAt(link))) {
      if (next.data.needs?.id === job.id) {
        return this.breakOff(linkTo(next));
      }
    }
  }

  /** It may start: the one before it has ended. */
  async passOn(next: JobLink): Promise<void> {
    const job = await this.jobAt(next);
    const { delayMs = 0, isCancelled } = job?.data ?? {};
    // One that was cancelled meanwhile has nothing to wait for, and others wait for it.
    const isFree = delayMs === 0 || isCancelled;
    await this.store
      .untilAnswered(async () => (isFree ? job?.promote() : job?.changeDelay(delayMs)))
      .catch(() => undefined); // it was released before
  }

  /** What is not in the store any more has settled long ago, or was taken back. */
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
 * What BullMQ is to do with a job whose attempt is over, or that is not attempted: what a promise of
 * these resolves to is kept as the end of a completed job, and what it rejects with tells the rest.
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
    switch (verdict.kind) {
      case 'retry':
        held.verdict = verdict;
        if (verdict.waits !== undefined) {
          const data = { ...held.job.data, waits: verdict.waits };
          await this.keepLock(held);
          await this.store.untilAnswered(() => held.job.updateData(data));
        }
        throw signalOf(new TaskRetries(verdict.error, verdict.delayMs), held.job);
      case 'abandoned':
        // The next worker that has a slot goes on with it; the attempt does not count.
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

  /** From where a worker that died has left it. @throws TaskFailed, PutBack */
  goOn(held: Held, end: StoredEnd): Promise<StoredEnd> {
    return this.finish(held, verdictOf(end), end);
  }

  /** Some worker takes it again at once. @throws PutBack */
  async putBack(job: TaskJob): Promise<never> {
    await this.leave(job, job.moveToWait(job.token));
    await this.store.wake(job.queueName).catch(() => undefined);
    throw new PutBack('WaitingError');
  }

  /** Some worker takes it again after a while. @throws PutBack */
  async putOff(job: TaskJob, delayMs: number): Promise<never> {
    await this.leave(job, job.moveToDelayed(Date.now() + delayMs, job.token));
    throw new PutBack('DelayedError');
  }

  /** Where the store cannot be reached any more, the lock's end gives it back. */
  private async leave({ name, id }: TaskJob, moved: Promise<unknown>): Promise<void> {
    await moved.catch((error: unknown) => {
      const { label, logger } = this.store;
      logger.warn(`${label}: ${name} (${id}) waits until its lock ends: ${String(error)}`);
    });
  }

  /**
   * Before anything is written that BullMQ does not check the lock for: a worker that has lost it writes
   * nothing down, and releases nobody, while another runs the task.
   *
   * @throws PutBack where another worker has the job
   */
  private async keepLock({ job }: Held): Promise<void> {
    const extend = (): Promise<number> => job.extendLock(job.token ?? '', this.lockDurationMs);
    if ((await this.store.untilAnswered(extend)) !== 1) {
      throw new PutBack('WaitingError');
    }
  }

  /**
   * Written down first, then the next of the line is released, then the job is finished: a worker
   * that dies in between leaves a job which is not run again, but finished from here by another.
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

/** BullMQ asks the job whether it may be retried: the answer was given by the task's policy. */
function signalOf<Signal extends TaskRetries | TaskFailed>(signal: Signal, job: TaskJob): Signal {
  const mayRetry = signal instanceof TaskRetries;
  job.opts.attempts = mayRetry ? job.attemptsMade + 2 : 0;
  job.opts.backoff = { type: 'custom' };
  return signal;
}
