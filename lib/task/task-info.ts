import type { Outcome, TaskStatus } from './outcome.js';
import type { Priority } from './task-options.js';

/** A snapshot of a task. Times are whole milliseconds since the epoch. */
export interface TaskInfo {
  /** As `TaskHandle.id`. */
  readonly id: string;
  /** The `name` option, `Class.method` of a `@Background()` method, or the function's name. */
  readonly name: string;
  /** The queue of the task. */
  readonly queue: string;
  /** The status of the task. */
  readonly status: TaskStatus;
  /** The priority of the task within its queue. */
  readonly priority: Priority;
  /** The arguments of the call. Of settled tasks, only failed ones still have them. */
  readonly args: readonly unknown[];
  /** How many attempts have started. */
  readonly attempts: number;
  /** How many attempts the retry policy allows, the first included. */
  readonly maxAttempts: number;
  /** When the task was added. */
  readonly addedAt: number;
  /** When the latest attempt started; `undefined` before the first. */
  readonly startedAt: number | undefined;
  /** When the task failed for good; `undefined` if it did not. */
  readonly settledAt: number | undefined;
  /** The cursor of a failed task: `TaskRunner.list({ after: cursor })` gives the ones behind it. */
  readonly cursor: string | undefined;
  /** The last value that the body passed to `currentTask().progress()`. */
  readonly progress: unknown;
  /** The result of a completed task: see `Outcome`. */
  readonly result: unknown;
  /**
   * The lines that the body wrote with `currentTask().log()`, each with its time: the latest 100
   * lines, the first 1,000 characters of each. For tasks that other processes may run, only
   * `TaskRunner.get()` has them, not `list()`.
   */
  readonly logs: readonly string[];
  /**
   * The outcome of a settled task. An error in it is plain data: `name`, `message`, `code`, `stack`
   * and `causes`.
   */
  readonly outcome: Outcome | undefined;
}
