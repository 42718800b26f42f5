import type { DeadLetter } from './dead-letter.js';
import type { StoredCall, StoredTask } from '../../task/stored-call.js';

/**
 * A task in the journal. The record is also the task's stored call, so that a task leads to its
 * record and both are released together. A change of the stored fields needs a new `FORMAT`.
 */
export class JournalRecord implements StoredTask, StoredCall {
  args!: string;
  options: StoredCall['options'];
  carried: unknown;
  alsoCarried: StoredCall['alsoCarried'];
  /** When the task may start next, in milliseconds since the epoch. */
  dueAt = 0;
  /** The wait until `dueAt` when it was written: the longest wait, however the clock is set. */
  waitMs = 0;
  attempts = 0;
  waits: StoredTask['waits'] = undefined;
  /** Starts since an attempt last ended, including a next one that is counted ahead. */
  starts = 0;
  /** The next start is in `starts` already. */
  isCounted = false;
  /** The dead letter before a retry, restored if the retry cannot be stored. */
  former: DeadLetter | undefined = undefined;
  /** The record is not needed any more, although the disk may still have it. */
  isGone = false;

  constructor(
    /** Grows with every task, across restarts, too. */
    readonly order: number,
    readonly id: string,
    readonly name: string,
    readonly queue: string,
    call: StoredCall,
    readonly addedAt: number,
    /** The id of the first task of its line. */
    readonly group: string,
    /** The id of its chain. */
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

/** The format that this version of the library reads and writes. */
export const FORMAT = 3;
