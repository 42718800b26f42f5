import type { LoggerService } from '@nestjs/common';
import type { Clock } from '../../task/clock.js';
import { lineFrom } from '../../task/line.js';
import type { Chain, Task } from '../../task/task.js';
import type { End, Ledger } from '../memory/ledger.js';
import type { Answer, Patience } from '../patience.js';
import { deadLetterOf, restOf, type DeadLetter } from './dead-letter.js';
import { JournalRecord } from './journal-record.js';
import type { JournalStore } from './journal-store.js';

/** Keeps the journal in step with its tasks. */
export class JournalLedger implements Ledger {
  private lastOrder = 0;
  /** The letters of tasks whose chains they have broken. */
  private readonly broken = new WeakMap<Chain, DeadLetter>();

  constructor(
    private readonly store: JournalStore,
    private readonly patience: Patience,
    private readonly maxStarts: number,
    private readonly clock: Clock,
    private readonly logger: LoggerService,
    /** Told of a task that has failed for good, before its record goes. */
    private readonly onFailed: (letter: DeadLetter) => void,
  ) {}

  /**
   * Resolves when the tasks are on disk.
   *
   * @throws what `refusal` makes of what the store did; nothing of the tasks is left then, as far as
   * it obeys
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
        // What may have been written all the same must not run: the client was told that it failed.
        records.forEach((record) => this.strike(record));
        return refusal(error);
      },
    );
  }

  /**
   * Resolves when a task that had failed is stored to run again, in the place of its letter.
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

  /** @param youngest of what a former process has left */
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
   * What this process has written last says already that it starts: see {@link firstStart}. Only what
   * a former one has left is written anew.
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

  /** It did not die: this start does not count. */
  kept(task: Task, done: () => void): boolean {
    const record = recordOf(task);
    // One that closes the application itself would come back at every start, for ever: that counts.
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
      // A task that is remembered must not keep what it was stored with.
      task.stored = undefined;
    });
    return true;
  }

  /** What a chain has lost goes with the letter of the task that failed, and comes back with it. */
  private keepWithItsChain({ chain }: Task, record: JournalRecord): void {
    const letter = chain && this.broken.get(chain);
    if (letter !== undefined && this.store.isBuried(letter.id)) {
      letter.rest.push(restOf(record));
      this.onFailed(letter);
    }
  }

  /** One that was to be retried is again what it was before. */
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
   * The start of the attempt that follows is counted ahead, in a record that is written anyway: a write
   * of its own would hold up every attempt. A task that was still waiting when its process died has
   * one start too many then, which it must be able to afford.
   */
  private countFirstStart(record: JournalRecord): void {
    record.isCounted = this.maxStarts > 1;
    record.starts = record.isCounted ? 1 : 0;
  }

  /** Grows over restarts too, as long as the clock of the machine does not go back. */
  private nextOrder(now: number): number {
    this.lastOrder = Math.max(this.lastOrder + 1, Math.floor(now) * 1_000);
    return this.lastOrder;
  }

  private write(task: Task, record: JournalRecord): Promise<void> {
    return this.written(task, (answer) => this.store.commit([record], answer));
  }

  /** @throws what the store did, once it is in the log */
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
