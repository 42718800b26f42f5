import type { StoredTask } from '../../task/stored-call.js';

/** A task as the journal has it. A change of its meaning needs a new {@link FORMAT}. */
export interface JournalRecord extends StoredTask {
  readonly queue: string;
  /** Tasks that were committed together share it: they keep their order. */
  readonly group: string;
  /** Grows with every task, over restarts too. */
  readonly order: number;
  /** The chain that it is part of. */
  readonly chain: string | undefined;
  /** When it may start next: milliseconds since the epoch. */
  readonly dueAt: number;
  /** How often it was started since an attempt of it last ended, the start that is next included. */
  readonly starts: number;
  /** It was given up, and stays until it is retried. */
  readonly isDead: boolean;
}

/** What this version of the library reads and writes. */
export const FORMAT = 1;
