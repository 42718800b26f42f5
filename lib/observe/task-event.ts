import type { DropReason } from '../task/outcome.js';
import type { ProcessUsage } from '../task/process-usage.js';

/** @inline */
interface OfTask {
  /** As `TaskHandle.id`. */
  readonly id: string;
  /** The name of the task. */
  readonly name: string;
  /** The queue of the task. */
  readonly queue: string;
  /** When the event happened: milliseconds since the epoch, with fractions. */
  readonly at: number;
}

/** @inline */
interface OfAttempt extends OfTask {
  /** 1 for the first. */
  readonly attempt: number;
}

/** @inline */
interface OfEndedAttempt extends OfAttempt {
  /** How long the attempt ran. */
  readonly durationMs: number;
  /** Figures of the process during the attempt; `undefined` if nobody listened when it started. */
  readonly process: ProcessUsage | undefined;
}

/**
 * An event of a task. Events come in the order in which they happen. Durations are in milliseconds.
 */
export type TaskEvent =
  | (OfTask & {
      /** The task was collected by a request, or queued at once outside of one. */
      readonly type: 'added';
    })
  | (OfTask & {
      /** The task will never run. */
      readonly type: 'dropped';
      /** Why the task was dropped. */
      readonly reason: DropReason;
    })
  | (OfTask & {
      /** The task was released. Now it waits only for its queue, its delay and the tasks before it. */
      readonly type: 'queued';
    })
  | (OfTask & {
      /** The store did not take the task, and this process keeps it in memory instead. */
      readonly type: 'fell-back';
    })
  | (OfAttempt & {
      /** An attempt began. */
      readonly type: 'started';
      /** How long the task waited: since its release or, after a delay or a retry, since it was due. */
      readonly waitedMs: number;
    })
  | (OfAttempt & {
      /** The task called `currentTask().progress(value)`. */
      readonly type: 'progress';
      /** The value that was passed. */
      readonly value: unknown;
    })
  | (OfEndedAttempt & {
      /** An attempt failed, and another follows. */
      readonly type: 'retrying';
      /** The error of the attempt as it was thrown; see `failed`. */
      readonly error: unknown;
      /** The wait before the next attempt. */
      readonly delayMs: number;
    })
  | (OfEndedAttempt & {
      /** The last attempt returned. */
      readonly type: 'completed';
      /** The result: see `Outcome`. */
      readonly result?: unknown;
    })
  | (OfEndedAttempt & {
      /** The last attempt threw, and no other follows. */
      readonly type: 'failed';
      /** The error as it was thrown. JSON and `inspect()` show only its text. */
      readonly error: unknown;
    })
  | (OfAttempt & {
      /** The task was cancelled. `attempt` is 0 where it had not started. */
      readonly type: 'cancelled';
    })
  | (OfAttempt & {
      /** The shutdown could not wait for the task. `attempt` is 0 where it had not started. */
      readonly type: 'abandoned';
    });

/** The fields of an event beyond those that all events have. */
export type EventDetails<Type extends TaskEvent['type']> = Omit<
  Extract<TaskEvent, { type: Type }>,
  keyof OfTask | 'type' | 'attempt'
>;
