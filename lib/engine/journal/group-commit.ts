import type { Database } from 'lmdb';
import type { JournalRecord } from './journal-record.js';

interface Entry {
  /** By id, in order; `undefined` removes. */
  readonly changes: readonly (readonly [id: string, record: JournalRecord | undefined])[];
  /** It waits for the disk; else a crash of the process alone must not lose it. */
  readonly isFlushed: boolean;
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

  constructor(private readonly records: Database<JournalRecord, string>) {}

  /**
   * Makes all the changes or none.
   *
   * @throws Error where the disk does not take them
   */
  add(changes: Entry['changes'], isFlushed: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ changes, isFlushed, resolve, reject });
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
    const rejectAll = (error: unknown): void => entries.forEach(({ reject }) => reject(error));
    try {
      const committed = this.records.batch(() => {
        for (const { changes } of entries) {
          for (const [id, record] of changes) {
            void (record === undefined ? this.records.remove(id) : this.records.put(id, record));
          }
        }
      });
      // Asked for now: later there may be another flush to wait for.
      const flushed = entries.some(({ isFlushed }) => isFlushed)
        ? Promise.all([committed, this.records.flushed])
        : undefined;
      flushed?.then(
        () => entries.forEach(({ isFlushed, resolve }) => void (isFlushed && resolve())),
        () => undefined,
      );
      await committed;
      entries.forEach(({ isFlushed, resolve }) => void (isFlushed || resolve()));
    } catch (error) {
      rejectAll(await causeOf(error));
    }
  }
}

/** A failed commit has its cause in a promise of its own, which nobody must leave unhandled. */
async function causeOf(error: unknown): Promise<Error> {
  const { commitError } = error as { commitError?: Promise<never> };
  const cause = await commitError?.catch((reason: unknown) => reason);
  return new Error(`the disk did not take it: ${String(cause ?? error)}`, { cause: error });
}
