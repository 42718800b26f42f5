import type { Clock } from '../../../task/clock.js';
import type { JobStore } from '../store/job-store.js';
import { isAnswer } from '../store/store-answer.js';
import { endOfJob, type JobLink, type TaskJob } from '../codec/stored-job.js';

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
  async turnOf({ data }: TaskJob): Promise<'now' | 'wait' | 'never'> {
    const { prior, needs, isBroken } = data;
    if (prior !== undefined && (await this.stateOf(prior)) === 'open') {
      return 'wait';
    }
    if (isBroken) {
      return 'never';
    }
    if (needs === undefined) {
      return 'now';
    }
    switch (await this.stateOf(needs)) {
      case 'open':
        return 'wait';
      case 'failed':
        return 'never';
      default:
        return 'now';
    }
  }

  /** Releases the first of them that is there. */
  async passOn(next: readonly JobLink[]): Promise<void> {
    for (const link of next) {
      if (await this.promote(link)) {
        return;
      }
    }
  }

  /** What it needs has not completed, and the store does not know, or may forget: whoever takes it drops it. */
  async breakOff({ queue, id }: JobLink): Promise<void> {
    await this.untilDone(async () => {
      const job = await this.store.queue(queue).getJob(id);
      await job?.updateData({ ...job.data, isBroken: true });
    });
  }

  /** Finds the one further down the line that needs this one, and {@link breakOff breaks} it off. */
  async breakChain({ id, data }: TaskJob): Promise<void> {
    for (let next = await this.firstOf(data.next); next !== undefined;) {
      if (next.data.needs?.id === id) {
        return this.breakOff({ queue: next.queueName, id: next.id ?? '' });
      }
      next = await this.firstOf(next.data.next);
    }
  }

  /** From here on nothing is waited for. */
  close(): void {
    this.isClosed = true;
  }

  private async firstOf(links: readonly JobLink[] = []): Promise<TaskJob | undefined> {
    for (const { queue, id } of links) {
      const job = await this.untilDone(() => this.store.queue(queue).getJob(id));
      if (job !== undefined) {
        return job;
      }
    }
    return undefined;
  }

  /** @returns whether there is such a task */
  private async promote({ queue, id }: JobLink): Promise<boolean> {
    for (;;) {
      try {
        const job = await this.store.queue(queue).getJob(id);
        if (job === undefined) {
          return false;
        }
        const { delayMs, isCancelled } = job.data;
        // One that was cancelled meanwhile has nothing to wait for, and others wait for it.
        await (delayMs === undefined || isCancelled ? job.promote() : job.changeDelay(delayMs));
        return true;
      } catch (error) {
        if (isAnswer(error) || this.isClosed) {
          return true; // it was released before
        }
        await this.moment();
      }
    }
  }

  /** What is not in the store any more has settled long ago, or never was because of its dedupe key. */
  private async stateOf({ queue, id }: JobLink): Promise<'open' | 'completed' | 'failed'> {
    const job = await this.untilDone(() => this.store.queue(queue).getJob(id));
    if (job === undefined) {
      return 'completed';
    }
    const end = job.data.end ?? endOfJob(job);
    return end === undefined ? 'open' : end.status === 'completed' ? 'completed' : 'failed';
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
