import type { QueueEvents } from 'bullmq';
import { breaksChain, type Outcome } from '../../../task/outcome.js';
import type { Task } from '../../../task/task.js';
import { endIn, failedEnd, outcomeOf, type StoredEnd } from '../codec/stored-end.js';
import { endOfJob, type TaskJob } from '../codec/stored-job.js';
import type { JobStore } from '../store/job-store.js';

/** How often the store is asked about tasks whose events may have been missed, in milliseconds. */
const ASK_MS = 1_000;
/** How many tasks the store is asked about at a time, in turn. */
const MOST_A_TIME = 100;
/** A handle of an older task may not learn by itself how the task ended: `TaskRunner.get()` tells. */
const MOST = 10_000;

/**
 * Keeps the handles that this process has given out for stored tasks up to date. Outcomes in other processes
 * are followed only for tasks that somebody awaits: otherwise every process would read the events of all
 * tasks. BullMQ's events tell when to look. They can be missed, so the store is asked from time to time too.
 */
export class OwnHandles {
  private readonly recent = new RecentTasks();
  /** Awaited tasks that the store does not have yet. */
  private readonly asked = new WeakSet<Task>();
  /** Awaited tasks whose outcome the store may tell. */
  private readonly watched = new Map<string, Task>();
  /** Tasks that the store did not have when it was last asked. */
  private readonly missing = new WeakSet<Task>();
  private readonly events = new Map<string, QueueEvents>();
  private callOff: (() => void) | undefined;

  /** @param isHere whether a worker of this process has the task, and so reports its end itself */
  constructor(
    private readonly store: JobStore,
    private readonly isHere: (id: string) => boolean,
  ) {}

  /**
   * The store has the task, and any process may settle it.
   *
   * @param isFollowed whether this process has to know how it ends. A task that nobody can ask about
   * need not stay in memory.
   */
  add(task: Task, isFollowed: boolean): void {
    if (isFollowed) {
      this.recent.add(task);
    }
    if (this.asked.delete(task)) {
      this.watch(task);
    }
  }

  /** Whether all tasks that were handed over are known to have settled. */
  get isEmpty(): boolean {
    return this.recent.isEmpty;
  }

  /** Another object of the same task is attempted here. */
  started({ id, attempts }: Task): void {
    const task = this.recent.get(id);
    if (task !== undefined) {
      task.status = 'running';
      task.attempts = attempts;
    }
  }

  /** Another object of the same task has settled here. */
  settled({ id, outcome }: Task): void {
    const task = this.recent.get(id);
    if (task !== undefined && outcome !== undefined) {
      this.settle(task, outcome);
    }
  }

  /** Somebody waits for the task to settle, in whatever process. */
  watch(task: Task): void {
    if (task.isOver) {
      return;
    }
    if (task.knownId === undefined || !task.isCommitted) {
      this.asked.add(task);
    } else if (this.store.isClosing) {
      // Deferred until the caller has begun to wait.
      void Promise.resolve().then(() => this.abandon(task));
    } else {
      this.watched.set(task.id, task);
      this.listen(task.queue);
      this.callOff ??= this.store.clock.after(ASK_MS, () => void this.askForAll());
      void this.ask(task, undefined);
    }
  }

  /** This process had the task and lost it: the store tells how it ends. */
  lost({ id }: Task): void {
    const task = this.recent.get(id);
    if (task !== undefined) {
      this.watch(task);
    }
  }

  async close(): Promise<void> {
    this.callOff?.();
    await Promise.allSettled([...this.events.values()].map((events) => events.close()));
  }

  /** Other processes go on with the tasks, and this one will not know. */
  abandonAll(): void {
    [...this.recent.all, ...this.watched.values()].forEach((task) => this.abandon(task));
  }

  private abandon(task: Task): void {
    if (task.outcome === undefined) {
      this.settle(task, { status: 'abandoned', attempts: task.attempts });
    }
  }

  private settle(task: Task, outcome: Outcome): void {
    this.recent.delete(task.id);
    this.watched.delete(task.id);
    task.isOver = true;
    task.hasCompleted = !breaksChain(outcome);
    task.settle(outcome);
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
      } else if (!this.missing.has(task)) {
        this.missing.add(task); // an event with its end may be on its way
      } else if (this.watched.has(task.id)) {
        this.abandon(task);
      }
    }
    this.callOff =
      this.watched.size > 0 && !this.store.isClosing
        ? this.store.clock.after(ASK_MS, () => void this.askForAll())
        : undefined;
  }

  /**
   * @param hint the end that an event reported, for a job that the store no longer has
   * @returns `false` if nothing is left to wait for, as far as this process knows
   */
  private async ask(task: Task, hint: StoredEnd | undefined): Promise<boolean> {
    const { id, queue } = task;
    if (task.outcome !== undefined) {
      this.watched.delete(id); // settled without the store, which may never have had it
      return true;
    }
    try {
      const job: TaskJob | undefined = await this.store.queue(queue).getJob(id);
      const end = job === undefined ? hint : endOfJob(job);
      const isHere = this.isHere(id);
      if (end !== undefined && !isHere && this.watched.has(id)) {
        this.settle(task, outcomeOf(end));
      }
      return job !== undefined || isHere || (task.isFromStore && this.recent.get(id) !== task);
    } catch {
      return true; // asked again later
    }
  }
}

/**
 * The latest tasks that this process has handed over. Their number is bounded, because outcomes elsewhere
 * arrive only for awaited tasks. There are two generations, and the older is dropped as a whole: finding the
 * oldest entry of a map gets slower with each of its first entries that was deleted.
 */
export class RecentTasks {
  private young = new Map<string, Task>();
  private old = new Map<string, Task>();

  add(task: Task): void {
    if (this.young.size >= MOST) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(task.id, task);
  }

  get all(): Task[] {
    return [...this.old.values(), ...this.young.values()];
  }

  get isEmpty(): boolean {
    return this.old.size + this.young.size === 0;
  }

  get(id: string): Task | undefined {
    return this.young.get(id) ?? this.old.get(id);
  }

  delete(id: string): void {
    if (!this.young.delete(id)) {
      this.old.delete(id);
    }
  }
}
