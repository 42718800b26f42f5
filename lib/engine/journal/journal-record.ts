import type { DeadLetter } from './dead-letter.js';
import type { StoredCall, StoredTask } from '../../task/stored-call.js';

/**
 * A task as the journal has it. It is the call that the task was stored with, too: so a task leads to
 * its record, and both go together. A change of what is written needs a new `FORMAT`.
 */
export class JournalRecord implements StoredTask, StoredCall {
  args!: string;
  options: StoredCall['options'];
  carried: unknown;
  alsoCarried: StoredCall['alsoCarried'];
  /** When it may start next: milliseconds since the epoch. */
  dueAt = 0;
  /** How long that was from when it was written: however the clock is set, it does not wait longer. */
  waitMs = 0;
  attempts = 0;
  waits: StoredTask['waits'] = undefined;
  /** How often it was started since an attempt of it last ended, the start that is next included. */
  starts = 0;
  /** Its next start is in `starts`. */
  isCounted = false;
  /** What it was before it was to run again: that is kept where it cannot be stored. */
  former: DeadLetter | undefined = undefined;
  /** It is not needed any more, whatever stands on disk. */
  isGone = false;

  constructor(
    /** Grows with every task, over restarts too. */
    readonly order: number,
    readonly id: string,
    readonly name: string,
    readonly queue: string,
    call: StoredCall,
    readonly addedAt: number,
    /** The line that it stands in: the id of the first task of it. */
    readonly group: string,
    /** The chain that it is part of. */
    readonly chain: string | undefined,
  ) {
    this.take(call);
  }

  take({ args, options, carried, alsoCarried }: StoredCall): void {
    this.args = args;
    this.options = options;
    this.carried = carried;
    this.alsoCarried = alsoCarried;
  }

  get call(): StoredCall {
    return this;
  }
}

/** What this version of the library reads and writes. */
export const FORMAT = 3;
