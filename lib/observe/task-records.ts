import type { Outcome } from '../task/outcome.js';
import { IdMap } from '../task/id-map.js';
import type { Task } from '../task/task.js';
import { Ring } from './ring.js';

/** The settled tasks that are remembered, so many of each status; and who has which id. */
export class TaskRecords {
  private readonly settled: Record<Outcome['status'], Ring<Task>>;
  /** Only those whose id was asked for: nobody can ask by an id that nobody has seen. */
  private readonly byId = new IdMap<Task>();

  constructor(limit: number) {
    this.settled = {
      completed: new Ring(limit),
      failed: new Ring(limit),
      cancelled: new Ring(limit),
      dropped: new Ring(limit),
      abandoned: new Ring(limit),
    };
  }

  /** Nothing would ever take out the id of a task that has been forgotten already. */
  index(id: string, task: Task): void {
    if (task.outcome === undefined || this.settled[task.outcome.status].has(task)) {
      this.byId.set(id, task);
    }
  }

  remember(task: Task): void {
    if (task.outcome !== undefined) {
      this.forget(this.settled[task.outcome.status].push(task));
    }
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
    this.settled.failed.remove(old);
    this.byId.set(task.id, task);
  }

  /** For a task that goes on elsewhere: its store knows more about it than this process. */
  drop(task: Task): void {
    this.forget(task);
  }

  private forget(task: Task | undefined): void {
    const id = task?.knownId;
    if (id !== undefined && this.byId.get(id) === task) {
      this.byId.delete(id);
    }
  }
}
