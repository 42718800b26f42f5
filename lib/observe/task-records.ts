import { bytesOf } from './bytes-of.js';
import type { Outcome } from '../task/outcome.js';
import { IdMap } from '../task/id-map.js';
import { Task } from '../task/task.js';
import { FailedTasks, type FailedLimits } from './failed-tasks.js';
import { Ring } from './ring.js';

/** The largest progress that is remembered of each of the thousands of settled tasks. */
const MAX_PROGRESS_BYTES = 65_536;

/** The remembered tasks of one status. */
interface Remembered extends Iterable<Task> {
  /** @returns the tasks that were displaced */
  push(task: Task): Task | readonly Task[] | undefined;
  has(task: Task): boolean;
  remove(task: Task): boolean;
}

const ENDLESS = {
  bytes: Number.POSITIVE_INFINITY,
  ageMs: Number.POSITIVE_INFINITY,
  now: () => 0,
};

/** Remembers the latest settled tasks of each status, and finds tasks by id. */
export class TaskRecords {
  private readonly settled: Record<Outcome['status'], Remembered>;
  /** Only tasks whose id was read: nobody asks for an id that nobody has seen. */
  private readonly byId = new IdMap<Task>();

  /**
   * @param limit how many tasks of each status
   * @param keep how many failed ones
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

  /** A task that has been forgotten stays out: nothing would ever delete its id. */
  index(id: string, task: Task): void {
    if (task.outcome === undefined || this.settled[task.outcome.status].has(task)) {
      this.byId.set(id, task);
    }
  }

  remember(task: Task): void {
    if (task.isKept) {
      this.forget(task); // its store keeps it longer than this process
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

  /** A dedupe key or a handle may still hold the task. The arguments of its call are freed. */
  private letGo(task: Task): void {
    this.forget(task);
    task.letGo();
  }

  get(id: string): Task | undefined {
    return this.byId.get(id);
  }

  /** The latest first. */
  of(status: Outcome['status']): Iterable<Task> {
    return this.settled[status];
  }

  /** @returns whether the task was remembered */
  remove(task: Task): boolean {
    if (task.outcome === undefined || !this.settled[task.outcome.status].remove(task)) {
      return false;
    }
    this.forget(task);
    return true;
  }

  /** A failed task runs again as a new task with the same id. The old one is no longer listed. */
  replace(old: Task, task: Task): void {
    if (old.outcome !== undefined) {
      this.settled[old.outcome.status].remove(old);
    }
    this.byId.set(task.id, task);
  }

  /** Forgets a task that goes on elsewhere: its store knows more about it than this process. */
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

/** Most tasks have none, or a number. */
function isLarge(progress: unknown): boolean {
  return (
    (typeof progress === 'object' || typeof progress === 'string') &&
    bytesOf(progress) > MAX_PROGRESS_BYTES
  );
}
