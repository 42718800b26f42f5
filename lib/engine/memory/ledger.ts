import type { Task } from '../../task/task.js';
import type { Dropped, Verdict } from '../../task/verdict.js';

/** How a task settles. */
export type End = Exclude<Verdict, { kind: 'retry' }> | Dropped;

/** The records of a memory engine whose tasks have to survive the process. */
export interface Ledger {
  /** Records a start. The attempt waits for the promise, and is not made if that rejects. */
  starting(task: Task): Promise<void> | void;
  /** Records that another attempt follows at `dueAt`, in milliseconds since the epoch. */
  retrying(task: Task, dueAt: number): void;
  /** Records that a waiting task makes the call of `other` now. */
  changed(task: Task, other: Task): void;
  /**
   * Records that the application shuts down before the task could end.
   *
   * @param done called once that is recorded, or cannot be
   * @returns whether `done` will be called: later, never synchronously
   */
  kept(task: Task, done: () => void): boolean;
  /** Records how the task settled. `done` as for {@link kept}. */
  settled(task: Task, end: End, done: () => void): boolean;
}
