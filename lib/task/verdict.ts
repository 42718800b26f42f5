import type { Waits } from './stored-call.js';
import type { DropReason } from './outcome.js';

/**
 * What one attempt came to. The engine records it before anything is announced.
 *
 * - `completed`: the body returned
 * - `retry`: it failed, and another attempt follows after `delayMs`
 * - `failed`: it failed for good
 * - `cancelled`: it was cancelled while it ran
 * - `abandoned`: the application shut down before it ended; `isKept` where its store still has it
 *
 * @inline
 */
export type Verdict =
  | { readonly kind: 'completed' }
  | {
      readonly kind: 'retry';
      readonly delayMs: number;
      readonly error: unknown;
      /** That it asked for the next one, and what its attempts have asked for with this one. */
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

/** What may be told of a task. */
export type Announcement =
  | Verdict
  | Dropped
  /** The store has it now, and any process may go on with it: it is no longer counted here. */
  | { readonly kind: 'left' }
  /** The store did not take it, and it is kept in memory instead. */
  | { readonly kind: 'fell-back' };

export const LEFT: Announcement = Object.freeze({ kind: 'left' });

/** The one verdict without data, shared. */
export const COMPLETED: Verdict = Object.freeze({ kind: 'completed' });
