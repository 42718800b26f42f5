import { turnOf, type Standing, type Turn } from '../../../task/line.js';
import { breaksChain } from '../../../task/outcome.js';
import { outcomeOf } from '../codec/stored-end.js';
import { endOfJob, jobsBehind, linkTo, type JobLink, type TaskJob } from '../codec/stored-job.js';
import type { JobStore } from '../store/job-store.js';
import type { Persistence } from '../store/store-errors.js';

/** What jobs' links say: whether the turn of one has come, and whose turn is next. */
export class JobLine {
  constructor(
    private readonly store: JobStore,
    private readonly persistence: Persistence,
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
  async breakOff(link: JobLink): Promise<void> {
    await this.persistence.untilAnswered(async () => {
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
    await this.persistence
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
    return breaksChain(outcomeOf(end)) ? 'failed' : 'completed';
  }

  private jobAt({ queue, id }: JobLink): Promise<TaskJob | undefined> {
    return this.persistence.untilAnswered(() => this.store.queue(queue).getJob(id));
  }
}
