import type { DeadLetter } from './dead-letter.js';
import type { JournalRecord } from './journal-record.js';

/** Called when the group is written, or with the error. */
export type Done = (error?: Error) => void;

/** Changes written in one transaction: after a crash the journal has all of them, or none. */
export class Group {
  readonly removed: number[] = [];
  /** New records of schedules, by name; `undefined` removes one. */
  readonly schedules = new Map<string, string | undefined>();
  /** New dead letters by id; `undefined` removes one. */
  readonly dead = new Map<string, DeadLetter | undefined>();
  private given: JournalRecord[] = [];
  private readonly waiting: Done[] = [];
  private listening: (() => void)[] = [];

  get isEmpty(): boolean {
    const { given, removed, dead, schedules } = this;
    return given.length === 0 && removed.length === 0 && dead.size === 0 && schedules.size === 0;
  }

  /** Whether a caller waits for the disk. */
  get isAwaited(): boolean {
    return this.waiting.length > 0;
  }

  /** Read when the group is written: records that are gone by then are left out. */
  get records(): readonly JournalRecord[] {
    return this.given.filter(({ isGone }) => !isGone);
  }

  put(record: JournalRecord): void {
    this.given.push(record);
  }

  remove(order: number): void {
    this.removed.push(order);
  }

  /** Writes and flushes the group as soon as possible, because a caller waits for `done`. */
  wait(done: Done): void {
    this.waiting.push(done);
  }

  /** Calls `done` once the group is written, without hurry, and at the latest at {@link giveUp}. */
  listen(done: () => void): void {
    this.listening.push(done);
  }

  get hasListeners(): boolean {
    return this.listening.length > 0;
  }

  /** Calls the listeners although the group has not been written. */
  giveUp(): void {
    const { listening } = this;
    this.listening = [];
    listening.forEach((done) => done());
  }

  settle(error?: Error): void {
    this.waiting.forEach((done) => done(error));
    this.giveUp();
  }

  /** Takes over what an earlier group could not write. */
  inherit({ given, removed, dead, schedules }: Group): void {
    for (const [name, record] of schedules) {
      if (!this.schedules.has(name)) {
        this.schedules.set(name, record);
      }
    }
    // Older records first: of two with the same order, the last one wins.
    this.given = [...given, ...this.given];
    removed.forEach((order) => this.remove(order));
    const newer = [...this.dead];
    [...dead, ...newer].forEach(([id, letter]) => this.dead.set(id, letter));
  }
}
