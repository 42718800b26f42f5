import type { Task } from '../../task/task.js';
import type { Dropped, Verdict } from '../../task/verdict.js';

/** How a task settles. */
export type End = Exclude<Verdict, { kind: 'retry' }> | Dropped;

/** What a memory engine writes down, where its tasks are to survive the process. */
export interface Ledger {
  /** An attempt begins. It waits for this to resolve, if need be, and is not made if it rejects. */
  starting(task: Task): Promise<void> | void;
  /** The attempt is over, and another follows at `dueAt`: milliseconds since the epoch. */
  retrying(task: Task, dueAt: number): void;
  /** A task that waits makes the call of `other` now. */
  changed(task: Task, other: Task): void;
  /**
   * The application shuts down before the task could end. `done` is called once that is written, or
   * cannot be.
   *
   * @returns whether it will be called: later, never from within
   */
  kept(task: Task, done: () => void): boolean;
  /** The task has settled, like this. As {@link kept}. */
  settled(task: Task, end: End, done: () => void): boolean;
}
