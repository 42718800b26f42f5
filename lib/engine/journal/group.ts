import type { DeadLetter } from './dead-letter.js';
import type { JournalRecord } from './journal-record.js';

/** Told when it is written, or why it is not. */
export type Done = (error?: Error) => void;

/** What is written at once: after a crash all of it is found, or nothing. */
export class Group {
  readonly removed: number[] = [];
  /** What becomes of the records of schedules, by name; `undefined` removes one. */
  readonly schedules = new Map<string, string | undefined>();
  /** What has failed for good by its id, and `undefined` for what is not to be kept any more. */
  readonly dead = new Map<string, DeadLetter | undefined>();
  private given: JournalRecord[] = [];
  private readonly waiting: Done[] = [];
  private listening: (() => void)[] = [];

  get isEmpty(): boolean {
    const { given, removed, dead, schedules } = this;
    return given.length === 0 && removed.length === 0 && dead.size === 0 && schedules.size === 0;
  }

  /** Somebody waits for the disk. */
  get isAwaited(): boolean {
    return this.waiting.length > 0;
  }

  /** As they are when it is written; what has gone by then is left out. */
  get records(): readonly JournalRecord[] {
    return this.given.filter(({ isGone }) => !isGone);
  }

  put(record: JournalRecord): void {
    this.given.push(record);
  }

  remove(order: number): void {
    this.removed.push(order);
  }

  /** `done` is waited for: the group is to be written as soon as it can be, and to be on disk. */
  wait(done: Done): void {
    this.waiting.push(done);
  }

  /** As {@link wait}, but there is time, and an end to it: see {@link giveUp}. */
  listen(done: () => void): void {
    this.listening.push(done);
  }

  get hasListeners(): boolean {
    return this.listening.length > 0;
  }

  /** Those who only listen go on without an answer. */
  giveUp(): void {
    const { listening } = this;
    this.listening = [];
    listening.forEach((done) => done());
  }

  settle(error?: Error): void {
    this.waiting.forEach((done) => done(error));
    this.giveUp();
  }

  /** What a group before this one could not write. */
  inherit({ given, removed, dead, schedules }: Group): void {
    for (const [name, record] of schedules) {
      if (!this.schedules.has(name)) {
        this.schedules.set(name, record);
      }
    }
    // Before what is newer: of two records of one order the last is kept.
    this.given = [...given, ...this.given];
    removed.forEach((order) => this.remove(order));
    const newer = [...this.dead];
    [...dead, ...newer].forEach(([id, letter]) => this.dead.set(id, letter));
  }
}
