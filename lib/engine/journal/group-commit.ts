import type { Database } from 'lmdb';
import type { JournalRecord } from './journal-record.js';

/** All of it happens or nothing. */
interface Change {
  readonly put?: readonly JournalRecord[];
  readonly remove?: JournalRecord;
  /** It waits for the disk; else a crash of the process alone must not lose it. */
  readonly isFlushed: boolean;
}

interface Entry {
  readonly change: Change;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writes in groups: what comes while a transaction is under way goes into the next one, all of it. A
 * transaction costs a flush however little is in it, so under load few large ones make all the
 * difference, and nobody waits longer than for two.
 */
export class GroupCommit {
  private waiting: Entry[] = [];
  private underWay: Promise<void> | undefined;

  constructor(private readonly records: Database<JournalRecord, number>) {}

  /**
   * Resolves when it is written.
   *
   * @throws Error where the disk does not take them
   */
  add(change: Change): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ change, resolve, reject });
      this.underWay ??= this.writeAll();
    });
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await this.underWay;
  }

  private async writeAll(): Promise<void> {
    while (this.waiting.length > 0) {
      // What the rest of this turn of the loop has to write comes along.
      await new Promise(setImmediate);
      const entries = this.waiting;
      this.waiting = [];
      await this.write(entries);
    }
    this.underWay = undefined;
  }

  /** Resolves with the commit; its flush is not waited for here, so that the next may go on. */
  private async write(entries: readonly Entry[]): Promise<void> {
    try {
      const committed = this.records.batch(() =>
        entries.forEach(({ change }) => this.apply(change)),
      );
      const unflushed = entries.filter(({ change }) => !change.isFlushed);
      if (unflushed.length < entries.length) {
        // Asked for now: later there may be another flush to wait for.
        Promise.all([committed, this.records.flushed]).then(
          () => entries.forEach(({ change, resolve }) => void (change.isFlushed && resolve())),
          () => undefined,
        );
      }
      await committed;
      unflushed.forEach(({ resolve }) => resolve());
    } catch (failure) {
      const error = await causeOf(failure);
      entries.forEach(({ reject }) => reject(error));
    }
  }

  private apply({ put = [], remove }: Change): void {
    for (const record of put) {
      void this.records.put(record.order, record);
    }
    if (remove !== undefined) {
      void this.records.remove(remove.order);
    }
  }
}

/** A failed commit has its cause in a promise of its own, which nobody must leave unhandled. */
async function causeOf(failure: unknown): Promise<Error> {
  const { commitError } = failure as { commitError?: Promise<never> };
  let cause = failure;
  try {
    await commitError;
  } catch (reason) {
    cause = reason;
  }
  return new Error(`the disk did not take it: ${String(cause)}`, { cause });
}
