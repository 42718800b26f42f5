import type { LoggerService } from '@nestjs/common';
import type { Clock } from '../../task/clock.js';
import { lineFrom } from '../../task/line.js';
import type { Chain, Task } from '../../task/task.js';
import type { End, Ledger } from '../memory/ledger.js';
import type { Answer, Patience } from '../patience.js';
import { deadLetterOf, restOf, type DeadLetter } from './dead-letter.js';
import { JournalRecord } from './journal-record.js';
import type { JournalStore } from './journal-store.js';

/** Keeps the journal in step with the tasks. */
export class JournalLedger implements Ledger {
  private lastOrder = 0;
  /** The dead letters of the tasks that broke these chains. */
  private readonly broken = new WeakMap<Chain, DeadLetter>();

  constructor(
    private readonly store: JournalStore,
    private readonly patience: Patience,
    private readonly maxStarts: number,
    private readonly clock: Clock,
    private readonly logger: LoggerService,
    /** Called when a task has failed for good, before its record is removed. */
    private readonly onFailed: (letter: DeadLetter) => void,
  ) {}

  /**
   * Resolves when the tasks are on disk.
   *
   * @throws the error that `refusal` makes of the store's. The tasks are then removed again, as far
   * as the store obeys
   */
  commit(heads: readonly Task[], refusal: (cause: Error) => Error): Promise<void> {
    const records = heads.flatMap((head) => {
      const group = (head.prior && recordOf(head.prior)?.group) ?? head.id;
      return lineFrom(head).map((task) => this.recordOf(task, group));
    });
    return this.committed(records, refusal);
  }

  private committed(
    records: readonly JournalRecord[],
    refusal: (cause: Error) => Error,
  ): Promise<void> {
    return this.patience.ask(
      (answer) => this.store.commit(records, answer),
      (error) => {
        if (error === undefined) {
          records.forEach((record) => {
            record.former = undefined;
          });
          return undefined;
        }
        // Records written all the same must not run: the client was told that the request failed.
        records.forEach((record) => this.strike(record));
        return refusal(error);
      },
    );
  }

  /**
   * Resolves when a failed task is stored to run again, in the place of its letter.
   *
   * @throws as {@link commit}
   */
  revive(head: Task, letter: DeadLetter, refusal: (cause: Error) => Error): Promise<void> {
    const records = lineFrom(head).map((task) =>
      this.recordOf(task, head.id, task === head ? letter : undefined),
    );
    this.store.unbury(letter.id);
    return this.committed(records, refusal);
  }

  /** @param youngest the last record that an earlier process left behind */
  continueAfter(youngest: JournalRecord | undefined): void {
    this.lastOrder = youngest?.order ?? 0;
  }

  /** The task will not be released. */
  forget(task: Task): void {
    const record = recordOf(task);
    if (record !== undefined) {
      this.strike(record);
    }
  }

  /**
   * Records that this process wrote already count this start: see {@link countFirstStart}. Only one
   * left by an earlier process is written anew.
   */
  starting(task: Task): Promise<void> | void {
    const record = recordOf(task);
    if (record?.isCounted === false) {
      record.starts += 1;
      return this.write(task, record);
    }
    if (record !== undefined) {
      record.isCounted = false;
    }
  }

  changed(task: Task, other: Task): void {
    const record = recordOf(task);
    if (record !== undefined && other.stored !== undefined) {
      record.take(other.stored);
      this.store.put(record);
    }
  }

  retrying(task: Task, dueAt: number): void {
    const record = recordOf(task);
    if (record !== undefined) {
      record.attempts = task.attempts;
      record.waits = task.waits;
      record.dueAt = dueAt;
      record.waitMs = dueAt - this.clock.now();
      this.countFirstStart(record);
      this.store.put(record);
    }
  }

  /** The process did not die, so this start does not count. */
  kept(task: Task, done: () => void): boolean {
    const record = recordOf(task);
    // A task that closes the application would do so at every start, for ever: its starts count.
    if (record === undefined || record.starts === 0 || task.isClosingTheApplication) {
      return false;
    }
    record.starts = 0;
    void this.write(task, record)
      .catch(() => undefined)
      .finally(done);
    return true;
  }

  settled(task: Task, end: End, done: () => void): boolean {
    const record = recordOf(task);
    if (record === undefined || record.isGone) {
      return false;
    }
    if (end.kind === 'failed') {
      task.isKept = true;
      const letter = deadLetterOf(task, record, end.error, this.clock.now());
      if (task.chain !== undefined) {
        this.broken.set(task.chain, letter);
      }
      this.onFailed(letter);
    } else if (end.kind === 'dropped' && end.reason === 'predecessor-failed') {
      this.keepWithItsChain(task, record);
    }
    this.store.remove(record, () => {
      done();
      // A remembered task must not keep its stored call alive.
      task.stored = undefined;
    });
    return true;
  }

  /** The dropped rest of a chain is kept in the letter of the failed task, and comes back with it. */
  private keepWithItsChain({ chain }: Task, record: JournalRecord): void {
    const letter = chain && this.broken.get(chain);
    if (letter !== undefined && this.store.isBuried(letter.id)) {
      letter.rest.push(restOf(record));
      this.onFailed(letter);
    }
  }

  /** Removes a record, and restores the letter if it was a retry. */
  private strike(record: JournalRecord): void {
    if (record.former !== undefined) {
      this.store.bury(record.former);
    }
    if (!record.isGone) {
      this.store.remove(record);
    }
  }

  private recordOf(task: Task, group: string, former?: DeadLetter): JournalRecord {
    const { id, name, queue, addedAt, chain, stored, settings } = task;
    if (stored === undefined) {
      throw new Error(`Task "${name}" was not written down when it was added.`);
    }
    const now = this.clock.now();
    if (chain !== undefined) {
      chain.id ??= id;
    }
    const record = new JournalRecord(
      this.nextOrder(now),
      id,
      task.definition?.name ?? name,
      queue,
      stored,
      addedAt,
      group,
      chain?.id,
    );
    record.former = former;
    record.attempts = task.attempts;
    record.dueAt = now + settings.delayMs;
    record.waitMs = settings.delayMs;
    this.countFirstStart(record);
    task.stored = record;
    return record;
  }

  /**
   * Counts the start of the next attempt ahead, in a record that is written anyway: a separate
   * write would delay every attempt. A task that was still waiting when its process died then has
   * one start too many, which is affordable only if `maxStarts` is above 1.
   */
  private countFirstStart(record: JournalRecord): void {
    record.isCounted = this.maxStarts > 1;
    record.starts = record.isCounted ? 1 : 0;
  }

  /** Grows across restarts, too, unless the machine's clock goes back. */
  private nextOrder(now: number): number {
    this.lastOrder = Math.max(this.lastOrder + 1, Math.floor(now) * 1_000);
    return this.lastOrder;
  }

  private write(task: Task, record: JournalRecord): Promise<void> {
    return this.written(task, (answer) => this.store.commit([record], answer));
  }

  /** @throws the store's error, after logging it */
  private written({ name }: Task, ask: (answer: Answer) => void): Promise<void> {
    return this.patience.ask(ask, (error) => {
      if (error !== undefined) {
        this.logger.error(`The journal could not be written for ${name}: ${error.message}`);
      }
      return error;
    });
  }
}

function recordOf({ stored }: Task): JournalRecord | undefined {
  return stored instanceof JournalRecord ? stored : undefined;
}
