import { compare, positionOf, type Position } from '../task/position.js';
import type { TaskStatus } from '../task/outcome.js';
import type { Task } from '../task/task.js';
import type { TaskInfo } from '../task/task-info.js';

/** Tasks that an engine knows of although this process may never have seen them. */
export interface KeptTasks {
  /** @param queue where it is, if that is known: no store of another queue has to be there */
  find(id: string, queue?: string): Promise<TaskInfo | undefined>;
  /** Of failed ones in the order of their ends. */
  list(query: TaskQuery): Promise<TaskInfo[]>;
  /** How many tasks of each status it has, by queue: only of `queue`, or of all that it keeps. */
  counts(queue: string | undefined): Promise<ReadonlyMap<string, StoredCounts>>;
  /**
   * Set where other processes see the tasks, too, and make some of the attempts.
   *
   * @returns whether there was such a task, and anything left to cancel
   */
  readonly cancel?: ((id: string) => Promise<boolean>) | undefined;
  /** Removes a task that has settled. @returns whether there was one */
  forget(id: string): Promise<boolean>;
  /**
   * Queues a failed task again.
   *
   * @param queue as for {@link find}
   * @returns it, or `undefined` where the store has no such task
   */
  retry(id: string, queue?: string): Promise<Task | undefined>;
}

/** As exact as the store can tell without looking at every task; without `queued` only those that failed. */
export type StoredCounts = Readonly<Partial<Record<TaskStatus, number>>>;

/** Which tasks of a store are asked for. */
export interface TaskQuery {
  readonly status: TaskStatus | undefined;
  readonly name: string | undefined;
  readonly queue: string | undefined;
  readonly limit: number;
  /** Set where only failed ones are asked for. */
  readonly failed?: FailedQuery | undefined;
}

/** Which of the failed tasks, and in which direction of time. */
export interface FailedQuery {
  /** Only those that failed before: milliseconds since the epoch. */
  readonly before: number | undefined;
  /** A code, a name, or a part of a message. */
  readonly error: string | undefined;
  /** Where the page before this one has ended. */
  readonly after: Position | undefined;
  /** The latest first, unless this says so. */
  readonly isOldestFirst: boolean;
}

/** Whether a failed task at this position is asked for. */
export function isWithin(position: Position, query: FailedQuery): boolean {
  const { before, after, isOldestFirst } = query;
  if (before !== undefined && position.at >= before) {
    return false;
  }
  if (after === undefined) {
    return true;
  }
  const order = compare(position, after);
  return isOldestFirst ? order > 0 : order < 0;
}

/** Failed tasks of several stores as one list. */
export function inOrder(tasks: TaskInfo[], { failed }: TaskQuery): TaskInfo[] {
  if (failed === undefined) {
    return tasks;
  }
  const sign = failed.isOldestFirst ? 1 : -1;
  return tasks.toSorted((a, b) => sign * compare(positionOf(a), positionOf(b)));
}
