import type { Waits } from './stored-call.js';
import type { DropReason } from './outcome.js';

/**
 * The result of one attempt. The engine records it before anything is announced.
 *
 * - `completed`: the body returned
 * - `retry`: the attempt failed, and another one follows after `delayMs`
 * - `failed`: the task failed for good
 * - `cancelled`: the task was cancelled while it ran
 * - `abandoned`: the application shut down before the attempt ended; `isKept` if a store still has
 *   the task
 *
 * @inline
 */
export type Verdict =
  | { readonly kind: 'completed' }
  | {
      readonly kind: 'retry';
      readonly delayMs: number;
      readonly error: unknown;
      /** The attempts that asked to wait so far, this one included, if their number has changed. */
      readonly waits?: Waits;
    }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'abandoned'; readonly isKept?: boolean };

/** A task that will not be attempted at all. */
export interface Dropped {
  readonly kind: 'dropped';
  readonly reason: DropReason;
}

/** What can be announced about a task. */
export type Announcement =
  | Verdict
  | Dropped
  /** The store has the task now, and any process may run it: this process no longer counts it. */
  | { readonly kind: 'left' }
  /** The store did not accept the task, so it is kept in memory instead. */
  | { readonly kind: 'fell-back' };

export const LEFT: Announcement = Object.freeze({ kind: 'left' });

/** The one verdict without data, shared. */
export const COMPLETED: Verdict = Object.freeze({ kind: 'completed' });
