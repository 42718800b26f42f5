import { bytesOf } from './bytes-of.js';
import type { Outcome } from '../task/outcome.js';
import { IdMap } from '../task/id-map.js';
import { Task } from '../task/task.js';
import { FailedTasks, type FailedLimits } from './failed-tasks.js';
import { Ring } from './ring.js';

/** Of a task that has settled no larger progress is remembered: there are thousands of them. */
const MAX_PROGRESS_BYTES = 65_536;

/** The settled tasks that are remembered of a status. */
interface Remembered extends Iterable<Task> {
  /** @returns what had to go for it */
  push(task: Task): Task | readonly Task[] | undefined;
  has(task: Task): boolean;
  remove(task: Task): boolean;
}

const ENDLESS = {
  bytes: Number.POSITIVE_INFINITY,
  ageMs: Number.POSITIVE_INFINITY,
  now: () => 0,
};

/** The settled tasks that are remembered, so many of each status; and who has which id. */
export class TaskRecords {
  private readonly settled: Record<Outcome['status'], Remembered>;
  /** Only those whose id was asked for: nobody can ask by an id that nobody has seen. */
  private readonly byId = new IdMap<Task>();

  /**
   * @param limit how many of each status
   * @param keep how much of what failed
   */
  constructor(limit: number, keep: FailedLimits = { ...ENDLESS, count: limit }) {
    this.settled = {
      completed: new Ring<Task>(limit),
      failed: new FailedTasks(keep),
      cancelled: new Ring<Task>(limit),
      dropped: new Ring<Task>(limit),
      abandoned: new Ring<Task>(limit),
    };
  }

  /** Nothing would ever take out the id of a task that has been forgotten already. */
  index(id: string, task: Task): void {
    if (task.outcome === undefined || this.settled[task.outcome.status].has(task)) {
      this.byId.set(id, task);
    }
  }

  remember(task: Task): void {
    if (task.isKept) {
      this.forget(task); // its store knows it, also after this process
    } else if (task.outcome !== undefined) {
      if (isLarge(task.progress)) {
        task.progress = undefined;
      }
      const gone = this.settled[task.outcome.status].push(task);
      if (gone instanceof Task) {
        this.letGo(gone);
      } else {
        gone?.forEach((each) => this.letGo(each));
      }
    }
  }

  /** Whoever else holds on to it, for its dedupe key or by a handle, holds on to no call. */
  private letGo(task: Task): void {
    this.forget(task);
    task.letGo();
  }

  get(id: string): Task | undefined {
    return this.byId.get(id);
  }

  /** The remembered tasks of a status, the latest first. */
  of(status: Outcome['status']): Iterable<Task> {
    return this.settled[status];
  }

  /** @returns whether it was remembered */
  remove(task: Task): boolean {
    if (task.outcome === undefined || !this.settled[task.outcome.status].remove(task)) {
      return false;
    }
    this.forget(task);
    return true;
  }

  /** A failed task that runs again is a new one with the same id; the old one is no longer listed. */
  replace(old: Task, task: Task): void {
    if (old.outcome !== undefined) {
      this.settled[old.outcome.status].remove(old);
    }
    this.byId.set(task.id, task);
  }

  /** For a task that goes on elsewhere: its store knows more about it than this process. */
  drop(task: Task): void {
    this.forget(task);
  }

  private forget(task: Task): void {
    const id = task.knownId;
    if (id !== undefined && this.byId.get(id) === task) {
      this.byId.delete(id);
    }
  }
}

/** Most have none, or a number. */
function isLarge(progress: unknown): boolean {
  return (
    (typeof progress === 'object' || typeof progress === 'string') &&
    bytesOf(progress) > MAX_PROGRESS_BYTES
  );
}
