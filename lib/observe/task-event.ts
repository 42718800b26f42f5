import type { DropReason } from '../task/outcome.js';
import type { ProcessUsage } from '../task/process-usage.js';

interface OfTask {
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  /** When it happened: milliseconds since the epoch. */
  readonly at: number;
}

interface OfAttempt extends OfTask {
  /** 1 for the first. */
  readonly attempt: number;
}

interface OfEndedAttempt extends OfAttempt {
  /** How long the attempt ran. */
  readonly durationMs: number;
  /** Of the process meanwhile; `undefined` where nobody listened when the attempt started. */
  readonly process: ProcessUsage | undefined;
}

/** What happens to tasks, in the order it happens. Durations are in milliseconds. */
export type TaskEvent =
  /** It was collected by a request, or queued at once outside of one. */
  | (OfTask & { readonly type: 'added' })
  /** It will never run. */
  | (OfTask & { readonly type: 'dropped'; readonly reason: DropReason })
  /** It was released: from here on only its queue, its delay and its predecessors hold it up. */
  | (OfTask & { readonly type: 'queued' })
  /** Its store did not take it, and it is kept in the memory of this process instead. */
  | (OfTask & { readonly type: 'fell-back' })
  /** `waitedMs`: since it was released or, of a delay or a retry, since it was due. */
  | (OfAttempt & { readonly type: 'started'; readonly waitedMs: number })
  /** Its body called `currentTask().progress(value)`. */
  | (OfAttempt & { readonly type: 'progress'; readonly value: unknown })
  /** An attempt failed, and another follows after `delayMs`. */
  | (OfEndedAttempt & {
      readonly type: 'retrying';
      readonly error: unknown;
      readonly delayMs: number;
    })
  | (OfEndedAttempt & { readonly type: 'completed' })
  | (OfEndedAttempt & { readonly type: 'failed'; readonly error: unknown })
  /** `attempt` is 0 where it had not started. */
  | (OfAttempt & { readonly type: 'cancelled' })
  /** The shutdown could not wait for it. `attempt` is 0 where it had not started. */
  | (OfAttempt & { readonly type: 'abandoned' });

/** What a kind of event has beyond every event's fields. */
export type EventDetails<Type extends TaskEvent['type']> = Omit<
  Extract<TaskEvent, { type: Type }>,
  keyof OfTask | 'type' | 'attempt'
>;
