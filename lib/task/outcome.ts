import { inspect } from 'node:util';
import { errorText } from '../errors/error-text.js';

/** Why a task was dropped without running. */
export type DropReason =
  /** `when: 'success'`, and the request failed. Without an HTTP answer of its own, the handler counts. */
  | 'request-failed'
  /**
   * `when: 'failure'`, and the request succeeded. Without an HTTP answer of its own, the handler
   * counts.
   */
  | 'request-succeeded'
  /** A task before it in its request or chain did not complete. */
  | 'predecessor-failed'
  /** Another task with the same `dedupe` key came first. */
  | 'duplicate'
  /** `overflow: 'drop-oldest'`: the task made room for a newer one. */
  | 'overflow'
  /** The store of the durable engine did not accept the task. */
  | 'not-stored';

/**
 * How a task ended: what `TaskHandle.whenSettled()` resolves to. Durations are in milliseconds.
 *
 * @typeParam Result what a plain function that was passed to `addTask()` returns
 */
export type Outcome<Result = unknown> =
  | {
      /** The last attempt returned. */
      readonly status: 'completed';
      /** How many attempts it took. */
      readonly attempts: number;
      /** How long the last attempt ran. */
      readonly durationMs: number;
      /** The value that the body passed to `currentTask().result()`, or that a plain function returned. */
      readonly result?: Result;
    }
  | {
      /** The last attempt threw, and no other follows. */
      readonly status: 'failed';
      /** How many attempts were made. */
      readonly attempts: number;
      /** How long the last attempt ran. */
      readonly durationMs: number;
      /** The error that the last attempt threw. In JSON, the text of the error is all that remains of it. */
      readonly error: unknown;
    }
  | {
      /** Somebody called `cancel()`. */
      readonly status: 'cancelled';
      /** How many attempts had started. */
      readonly attempts: number;
    }
  | {
      /** The task never ran, and never will. */
      readonly status: 'dropped';
      /** Why the task was dropped. */
      readonly reason: DropReason;
    }
  | {
      /**
       * The shutdown could not wait for the task, or the store forgot the task before this process
       * learnt its outcome.
       */
      readonly status: 'abandoned';
      /** How many attempts had started. */
      readonly attempts: number;
    };

/**
 * Returns `record`, changed so that JSON and logs show only the text of its error: the error may
 * hold a request, with its token.
 */
export function withError<T extends { readonly error: unknown }>(record: T): T {
  const shown = { value: (): object => ({ ...record, error: errorText(record.error) }) };
  return Object.defineProperties(record, { toJSON: shown, [inspect.custom]: shown });
}

/** The outcome as task lists show it: plain data. */
export function shownOutcome(outcome: Outcome): Outcome {
  return outcome.status === 'failed' ? { ...outcome, error: errorText(outcome.error) } : outcome;
}

/**
 * Whether the tasks behind this one in its chain are dropped. A duplicate does not break the chain:
 * another task does its work.
 */
export function breaksChain({ status, reason }: EndedSo): boolean {
  return status !== 'completed' && reason !== 'duplicate';
}

type EndedSo = Pick<Outcome, 'status'> & { readonly reason?: DropReason };

/**
 * The state of a task.
 *
 * - `collected`: added while a request is handled; its response has not closed yet
 * - `queued`: may start as soon as a slot is free and its predecessors have settled
 * - `delayed`: waits for its `delay`
 * - `running`: an attempt is under way
 * - `retrying`: waits for its next attempt
 * - the others: settled, see {@link Outcome}
 */
export type TaskStatus =
  'collected' | 'queued' | 'delayed' | 'running' | 'retrying' | Outcome['status'];
