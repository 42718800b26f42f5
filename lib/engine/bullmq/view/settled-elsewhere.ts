import type { QueueEvents } from 'bullmq';
import type { Clock } from '../../../task/clock.js';
import type { Outcome } from '../../../task/outcome.js';
import type { Task } from '../../../task/task.js';
import type { JobStore } from '../store/job-store.js';
import { endIn, failedEnd, outcomeOf, type StoredEnd } from '../codec/stored-end.js';
import { endOfJob, type TaskJob } from '../codec/stored-job.js';

/** How often the store is asked about tasks whose events may have been missed, in milliseconds. */
const ASK_MS = 1_000;
/** About so many at a time, in turn. */
const MOST_A_TIME = 100;

/**
 * Waits for tasks that other processes may settle. BullMQ's events tell when to look; they are read
 * only once somebody has waited, because every process would read those of all tasks. They can be missed,
 * so the store is asked from time to time besides.
 */
export class SettledElsewhere {
  private readonly watched = new Map<string, Task>();
  private readonly events = new Map<string, QueueEvents>();
  /** The store did not have them when it was last asked. */
  private readonly missing = new WeakSet<Task>();
  private callOff: (() => void) | undefined;
  private isClosed = false;

  constructor(
    private readonly store: JobStore,
    private readonly clock: Clock,
    /** Whether a worker of this process has the task: it tells of the end itself, when it is through. */
    private readonly isHere: (id: string) => boolean,
    /** Whether the store has taken the task: where it does not have it now, it has let go of it. */
    private readonly wasStored: (task: Task) => boolean,
    private readonly onSettled: (task: Task, outcome: Outcome) => void,
  ) {}

  watch(task: Task): void {
    this.watched.set(task.id, task);
    this.listen(task.queue);
    this.callOff ??= this.clock.after(ASK_MS, () => void this.askForAll());
    void this.ask(task, undefined);
  }

  forget(id: string): void {
    this.watched.delete(id);
  }

  /** Those that are still waited for. */
  get tasks(): Task[] {
    return [...this.watched.values()];
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.callOff?.();
    await Promise.allSettled([...this.events.values()].map((events) => events.close()));
  }

  private listen(queue: string): void {
    if (this.events.has(queue)) {
      return;
    }
    const events = this.store.events(queue);
    this.events.set(queue, events);
    const look = (id: string, end: StoredEnd | undefined): void => {
      const task = this.watched.get(id);
      if (task !== undefined) {
        void this.ask(task, end);
      }
    };
    events.on('completed', ({ jobId, returnvalue }) => look(jobId, endIn(returnvalue)));
    events.on('failed', ({ jobId, failedReason }) => look(jobId, failedEnd(failedReason, 0)));
    events.on('removed', ({ jobId }) =>
      look(jobId, { status: 'cancelled', attempts: 0, durationMs: 0 }),
    );
  }

  private async askForAll(): Promise<void> {
    for (const task of [...this.watched.values()].slice(0, MOST_A_TIME)) {
      this.watched.delete(task.id);
      this.watched.set(task.id, task);
      if (await this.ask(task, undefined)) {
        this.missing.delete(task);
      } else {
        this.missed(task);
      }
    }
    this.callOff =
      this.watched.size > 0 && !this.isClosed
        ? this.clock.after(ASK_MS, () => void this.askForAll())
        : undefined;
  }

  /**
   * @param hint what an event said, for a job that the store has let go of already
   * @returns whether there is anything to wait for, as far as is known
   */
  private async ask(task: Task, hint: StoredEnd | undefined): Promise<boolean> {
    const { id, queue } = task;
    if (task.outcome !== undefined) {
      this.watched.delete(id); // not by way of the store, which may never have had it
      return true;
    }
    try {
      const job: TaskJob | undefined = await this.store.queue(queue).getJob(id);
      const end = job === undefined ? hint : endOfJob(job);
      if (end !== undefined && !this.isHere(id) && this.watched.delete(id)) {
        this.onSettled(task, outcomeOf(end));
      }
      return job !== undefined || this.isHere(id) || !this.wasStored(task);
    } catch {
      return true; // asked again later
    }
  }

  /** At the second time: an event that tells more may have been on its way. */
  private missed(task: Task): void {
    if (!this.missing.has(task)) {
      this.missing.add(task);
    } else if (this.watched.delete(task.id)) {
      this.onSettled(task, { status: 'abandoned', attempts: task.attempts });
    }
  }
}
