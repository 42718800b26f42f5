import type { Clock } from '../../../task/clock.js';
import type { JobStore } from '../store/job-store.js';
import { turnOf, type Standing, type Turn } from '../../../task/line.js';
import { isAnswer } from '../store/task-worker.js';
import { endOfJob, jobsBehind, type JobLink, type TaskJob } from '../codec/stored-job.js';
import { breaksChain } from '../../../task/outcome.js';
import type { Verdict } from '../../../task/verdict.js';
import type { ConsumerHost, Held, HeldJobs } from './held-jobs.js';
import {
  PutBack,
  TaskFailed,
  TaskRetries,
  endOf,
  outcomeOf,
  verdictOf,
  writtenEndOf,
  type End,
  type StoredEnd,
  type WrittenEnd,
} from '../codec/stored-end.js';

/** Waits between attempts to reach the store, in milliseconds. */
const AGAIN_MS = 500;

/** What a job's links say: whether its turn has come, and whose turn is next. */
export class JobLine {
  private isClosed = false;

  constructor(
    private readonly store: JobStore,
    private readonly clock: Clock,
  ) {}

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
  async breakOff({ queue, id }: JobLink): Promise<void> {
    await this.untilDone(async () => {
      const job = await this.store.queue(queue).getJob(id);
      await job?.updateData({ ...job.data, isBroken: true });
    });
  }

  /** Finds the one further down the line that needs this one, and {@link breakOff breaks} it off. */
  async breakChain(job: TaskJob): Promise<void> {
    for await (const next of jobsBehind(job, (link) => this.jobAt(link))) {
      if (next.data.needs?.id === job.id) {
        return this.breakOff({ queue: next.queueName, id: next.id ?? '' });
      }
    }
  }

  /** From here on nothing is waited for. */
  close(): void {
    this.isClosed = true;
  }

  private jobAt({ queue, id }: JobLink): Promise<TaskJob | undefined> {
    return this.untilDone(() => this.store.queue(queue).getJob(id));
  }

  /** It may start: the one before it has ended. */
  async passOn(next: JobLink): Promise<void> {
    const job = await this.jobAt(next);
    if (job !== undefined) {
      const { delayMs, isCancelled } = job.data;
      const isFree = delayMs === undefined || isCancelled;
      // One that was cancelled meanwhile has nothing to wait for, and others wait for it.
      await this.untilDone(() => (isFree ? job.promote() : job.changeDelay(delayMs))).catch(
        () => undefined, // it was released before
      );
    }
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
    return breaksChain(outcomeOf(end)) ? 'failed' : 'completed';
  }

  /** @throws what the store says against it */
  async untilDone<T>(act: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await act();
      } catch (error) {
        if (this.isClosed || isAnswer(error)) {
          throw error;
        }
        await this.moment();
      }
    }
  }

  private moment(): Promise<void> {
    return new Promise((done) => void this.clock.after(AGAIN_MS, done));
  }
}

/**
 * What BullMQ is to do with a job whose attempt is over, or that is not attempted: what a promise of
 * these resolves to is kept as the end of a completed job, and what it rejects with tells the rest.
 */
export class JobEnding {
  constructor(
    private readonly host: ConsumerHost,
    private readonly held: HeldJobs,
    private readonly line: JobLine,
  ) {}

  /** @throws TaskRetries, TaskFailed, PutBack */
  async conclude(held: Held, token: string, verdict: Verdict): Promise<WrittenEnd> {
    switch (verdict.kind) {
      case 'retry':
        held.verdict = verdict;
        if (verdict.waits !== undefined) {
          const data = { ...held.job.data, waits: verdict.waits };
          await this.keepLock(held, token);
          await this.line.untilDone(() => held.job.updateData(data));
        }
        throw signalOf(new TaskRetries(verdict.error, verdict.delayMs), held.job);
      case 'abandoned':
        return this.abandon(held, token);
      default:
        return this.end(held, token, verdict);
    }
  }

  /** @throws TaskFailed, PutBack */
  end(held: Held, token: string, verdict: End): Promise<WrittenEnd> {
    return this.finish(held, token, verdict, endOf(held.task, verdict, this.host.clock.now()));
  }

  /** From where a worker that died has left it. @throws TaskFailed, PutBack */
  goOn(held: Held, token: string, end: StoredEnd): Promise<WrittenEnd> {
    return this.finish(held, token, verdictOf(end), end);
  }

  /** Some worker takes it again at once. @throws PutBack */
  async putBack(job: TaskJob, token: string): Promise<never> {
    await this.leave(job, job.moveToWait(token));
    await this.host.store.wake(job.queueName).catch(() => undefined);
    throw new PutBack('WaitingError');
  }

  /** Some worker takes it again after a while. @throws PutBack */
  async putOff(job: TaskJob, token: string, delayMs: number): Promise<never> {
    await this.leave(job, job.moveToDelayed(Date.now() + delayMs, token));
    throw new PutBack('DelayedError');
  }

  /** The next worker that has a slot goes on with it; the attempt does not count. */
  private async abandon(held: Held, token: string): Promise<never> {
    try {
      return await this.putBack(held.job, token);
    } finally {
      this.held.announce(held, { kind: 'abandoned', isKept: true });
    }
  }

  /**
   * Before anything is written that BullMQ does not check the lock for: a worker that has lost it writes
   * nothing down, and releases nobody, while another runs the task.
   *
   * @throws PutBack where another worker has the job
   */
  private async keepLock({ job }: Held, token: string): Promise<void> {
    const { lockDurationMs } = this.host.settings;
    const isKept = await this.line.untilDone(() => job.extendLock(token, lockDurationMs));
    if (isKept !== 1) {
      throw new PutBack('WaitingError');
    }
  }

  /** Where the store cannot be reached any more, the lock's end gives it back. */
  private async leave({ name, id }: TaskJob, moved: Promise<unknown>): Promise<void> {
    await moved.catch((error: unknown) => {
      const { logger, store } = this.host;
      logger.warn(`${store.label}: ${name} (${id}) waits until its lock ends: ${String(error)}`);
    });
  }

  /**
   * Written down first, then the next of the line is released, then the job is finished: a worker
   * that dies in between leaves a job which is not run again, but finished from here by another.
   */
  private async finish(
    held: Held,
    token: string,
    verdict: End,
    end: StoredEnd,
  ): Promise<WrittenEnd> {
    const { job } = held;
    const { data } = job;
    held.verdict = verdict;
    if (data.next !== undefined) {
      await this.keepLock(held, token);
      await this.line.untilDone(() => job.updateData({ ...data, end }));
      if (data.isInChain && breaksChain(outcomeOf(end))) {
        await this.line.breakChain(job);
      }
      await this.line.passOn(data.next);
    }
    if (verdict.kind === 'failed') {
      throw signalOf(new TaskFailed(verdict.error), job);
    }
    return writtenEndOf(end);
  }
}

/** BullMQ asks the job whether it may be retried: the answer was given by the task's policy. */
function signalOf<Signal extends TaskRetries | TaskFailed>(signal: Signal, job: TaskJob): Signal {
  const mayRetry = signal instanceof TaskRetries;
  job.opts.attempts = mayRetry ? job.attemptsMade + 2 : 0;
  job.opts.backoff = { type: 'custom' };
  return signal;
}
