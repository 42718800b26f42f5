import { inspect } from 'node:util';
import { errorText } from '../errors/error-text.js';

/** Why a task was dropped without running. */
export type DropReason =
  /** `when: 'success'`, and the request failed, or the handler without an HTTP answer of its own. */
  | 'request-failed'
  /** `when: 'failure'`, and the request succeeded, or the handler without an HTTP answer of its own. */
  | 'request-succeeded'
  /** A task before it in its request or chain did not complete. */
  | 'predecessor-failed'
  /** Another task with the same `dedupe` key came first. */
  | 'duplicate'
  /** `overflow: 'drop-oldest'`: it made room for a newer task. */
  | 'overflow'
  /** The store of its durable engine did not take it. */
  | 'not-stored';

/**
 * How a task ended: what `TaskHandle.whenSettled()` resolves to. Durations are in milliseconds.
 *
 * @typeParam Result what a plain function that was passed to `addTask()` returns
 */
export type Outcome<Result = unknown> =
  | {
      /** Its last attempt returned. */
      readonly status: 'completed';
      /** How many attempts it took. */
      readonly attempts: number;
      /** How long the last attempt ran. */
      readonly durationMs: number;
      /**
       * The value that its body passed to `currentTask().result()`, or that a plain function
       * returned.
       */
      readonly result?: Result;
    }
  | {
      /** Its last attempt threw, and there will be no other. */
      readonly status: 'failed';
      /** How many attempts were made. */
      readonly attempts: number;
      /** How long the last attempt ran. */
      readonly durationMs: number;
      /** The error that the last attempt threw. As JSON it is only its text. */
      readonly error: unknown;
    }
  | {
      /** Somebody called `cancel()`. */
      readonly status: 'cancelled';
      /** How many attempts had started. */
      readonly attempts: number;
    }
  | {
      /** It never ran, and never will. */
      readonly status: 'dropped';
      /** Why. */
      readonly reason: DropReason;
    }
  | {
      /**
       * The shutdown could not wait for it, or its store forgot it before this process knew its
       * end.
       */
      readonly status: 'abandoned';
      /** How many attempts had started. */
      readonly attempts: number;
    };

/**
 * `record`, of which nothing but the text of its error is written down: an error may hold a request,
 * with its token.
 */
export function withError<T extends { readonly error: unknown }>(record: T): T {
  const shown = { value: (): object => ({ ...record, error: errorText(record.error) }) };
  return Object.defineProperties(record, { toJSON: shown, [inspect.custom]: shown });
}

/** How it ended, for a list of tasks: whoever walks through that finds plain data. */
export function shownOutcome(outcome: Outcome): Outcome {
  return outcome.status === 'failed' ? { ...outcome, error: errorText(outcome.error) } : outcome;
}

/**
 * Whether what comes next in its chain has to do without it. Of a duplicate it does not: another task
 * does its work.
 */
export function breaksChain(outcome: Outcome): boolean {
  switch (outcome.status) {
    case 'completed':
      return false;
    case 'dropped':
      return outcome.reason !== 'duplicate';
    default:
      return true;
  }
}

/**
 * Where a task stands.
 *
 * - `collected`: added while a request is handled, its response not yet closed
 * - `queued`: may start as soon as a slot is free and its predecessors have settled
 * - `delayed`: waits for its `delay`
 * - `running`: an attempt is under way
 * - `retrying`: waits for its next attempt
 * - the others: settled, see {@link Outcome}
 */
export type TaskStatus =
  'collected' | 'queued' | 'delayed' | 'running' | 'retrying' | Outcome['status'];
