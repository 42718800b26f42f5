import type { Outcome, TaskStatus } from './outcome.js';
import type { Priority } from './task-options.js';

/** A task as it stood when it was asked for. Times are whole milliseconds since the epoch. */
export interface TaskInfo {
  /** As `TaskHandle.id`. */
  readonly id: string;
  /** The `name` option, `Class.method` of a `@Background()` method, or the function's name. */
  readonly name: string;
  /** The queue it waits in, or waited in. */
  readonly queue: string;
  /** Where it stood. */
  readonly status: TaskStatus;
  /** Its priority within the queue. */
  readonly priority: Priority;
  /** What it is called with; let go with the task itself unless it failed. */
  readonly args: readonly unknown[];
  /** How many attempts have started. */
  readonly attempts: number;
  /** How many attempts its retry policy allows, the first included. */
  readonly maxAttempts: number;
  /** When it was added. */
  readonly addedAt: number;
  /** When the latest attempt started; `undefined` before the first. */
  readonly startedAt: number | undefined;
  /** When it failed for good; `undefined` for all others. */
  readonly settledAt: number | undefined;
  /** Of a failed task: `TaskRunner.list({ after: cursor })` goes on behind it. */
  readonly cursor: string | undefined;
  /** What its body last passed to `currentTask().progress()`. */
  readonly progress: unknown;
  /** What it completed with: see `Outcome`. */
  readonly result: unknown;
  /**
   * What its body wrote by `currentTask().log()`, each line with its time: the latest 100 lines, the
   * first 1,000 characters of each. Of tasks that other processes may run, `TaskRunner.get()` has them,
   * and a list has not.
   */
  readonly logs: readonly string[];
  /** How it ended, once it has; of an error its `name`, `message`, `code`, `stack` and `causes`. */
  readonly outcome: Outcome | undefined;
}
