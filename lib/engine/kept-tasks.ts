import { compare, positionOf, type Position } from '../task/position.js';
import type { TaskStatus } from '../task/outcome.js';
import type { Task } from '../task/task.js';
import type { TaskInfo } from '../task/task-info.js';

/** Tasks that an engine keeps, although this process may never have seen them. */
export interface KeptTasks {
  /** @param queue the task's queue, if known: then no other queue's store needs to be reachable */
  find(id: string, queue?: string): Promise<TaskInfo | undefined>;
  /** Failed tasks are in the order of failure. */
  list(query: TaskQuery): Promise<TaskInfo[]>;
  /** The number of tasks in each status, by queue: of `queue`, or of all kept queues. */
  counts(queue: string | undefined): Promise<ReadonlyMap<string, StoredCounts>>;
  /**
   * Set if other processes see the tasks, too, and make some of the attempts.
   *
   * @returns whether there was such a task, with anything left to cancel
   */
  readonly cancel?: ((id: string) => Promise<boolean>) | undefined;
  /** Removes a task that has settled. @returns whether there was one */
  forget(id: string): Promise<boolean>;
  /**
   * Queues a failed task again.
   *
   * @param queue as for {@link find}
   * @returns the task, or `undefined` if the store does not have it
   */
  retry(id: string, queue?: string): Promise<Task | undefined>;
}

/** As exact as the store knows without reading every task; without `queued`, only failed tasks count. */
export type StoredCounts = Readonly<Partial<Record<TaskStatus, number>>>;

/** A query for the tasks of a store. */
export interface TaskQuery {
  readonly status: TaskStatus | undefined;
  readonly name: string | undefined;
  readonly queue: string | undefined;
  readonly limit: number;
  /** Set if only failed tasks are wanted. */
  readonly failed?: FailedQuery | undefined;
}

/** A query for failed tasks, and their order. */
export interface FailedQuery {
  /** Only tasks that failed before this time, in milliseconds since the epoch. */
  readonly before: number | undefined;
  /** A code, a name, or a part of a message. */
  readonly error: string | undefined;
  /** The end of the previous page. */
  readonly after: Position | undefined;
  /** Otherwise the latest first. */
  readonly isOldestFirst: boolean;
}

/** Whether a failed task at this position matches the query. */
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

/** Sorts failed tasks of several stores; other tasks keep their order. */
export function inOrder(tasks: TaskInfo[], { failed }: TaskQuery): TaskInfo[] {
  if (failed === undefined) {
    return tasks;
  }
  const sign = failed.isOldestFirst ? 1 : -1;
  return tasks.toSorted((a, b) => sign * compare(positionOf(a), positionOf(b)));
}
