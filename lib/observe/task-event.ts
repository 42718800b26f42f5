import type { DropReason } from '../task/outcome.js';
import type { ProcessUsage } from '../task/process-usage.js';

/** @inline */
interface OfTask {
  /** As `TaskHandle.id`. */
  readonly id: string;
  /** The name of the task. */
  readonly name: string;
  /** The queue that it is in. */
  readonly queue: string;
  /** When it happened: milliseconds since the epoch, with fractions. */
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
      /** It was collected by a request, or queued at once outside of one. */
      readonly type: 'added';
    })
  | (OfTask & {
      /** It will never run. */
      readonly type: 'dropped';
      /** Why not. */
      readonly reason: DropReason;
    })
  | (OfTask & {
      /** It was released. Now it waits only for its queue, its delay and the tasks before it. */
      readonly type: 'queued';
    })
  | (OfTask & {
      /** Its store did not take it, and it is kept in the memory of this process instead. */
      readonly type: 'fell-back';
    })
  | (OfAttempt & {
      /** An attempt began. */
      readonly type: 'started';
      /** How long it had waited: since it was released or, of a delay or a retry, since it was due. */
      readonly waitedMs: number;
    })
  | (OfAttempt & {
      /** Its body called `currentTask().progress(value)`. */
      readonly type: 'progress';
      /** The value that it passed. */
      readonly value: unknown;
    })
  | (OfEndedAttempt & {
      /** An attempt failed, and another follows. */
      readonly type: 'retrying';
      /** The error of the attempt, as it was thrown; see `failed`. */
      readonly error: unknown;
      /** The wait before the next attempt. */
      readonly delayMs: number;
    })
  | (OfEndedAttempt & {
      /** Its last attempt returned. */
      readonly type: 'completed';
      /** What it completed with: see `Outcome`. */
      readonly result?: unknown;
    })
  | (OfEndedAttempt & {
      /** Its last attempt threw, and there will be no other. */
      readonly type: 'failed';
      /** The error, as it was thrown. In JSON and `inspect()` only its text is shown. */
      readonly error: unknown;
    })
  | (OfAttempt & {
      /** It was cancelled. `attempt` is 0 where it had not started. */
      readonly type: 'cancelled';
    })
  | (OfAttempt & {
      /** The shutdown could not wait for it. `attempt` is 0 where it had not started. */
      readonly type: 'abandoned';
    });

/** What a kind of event has beyond every event's fields. */
export type EventDetails<Type extends TaskEvent['type']> = Omit<
  Extract<TaskEvent, { type: Type }>,
  keyof OfTask | 'type' | 'attempt'
>;
