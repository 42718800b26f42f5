import { encodeRecord, encodeRemovals } from './journal-lines.js';
import type { JournalRecord } from './journal-record.js';

/** No group grows much longer, in characters. */
const LONGEST = 1_048_576;

/** What is written at once: after a crash all of it is found, or nothing. */
export class Group {
  readonly puts: JournalRecord[] = [];
  readonly removed: number[] = [];
  private readonly waiting: ((error?: Error) => void)[] = [];
  private length = 0;

  get isFull(): boolean {
    return this.length >= LONGEST;
  }

  get isEmpty(): boolean {
    return this.puts.length === 0 && this.removed.length === 0;
  }

  get isAwaited(): boolean {
    return this.waiting.length > 0;
  }

  /** The records as they are now. */
  get payload(): string {
    let payload = encodeRemovals(this.removed);
    for (const record of this.puts) {
      if (!record.isGone) {
        payload += payload === '' ? encodeRecord(record) : `\n${encodeRecord(record)}`;
      }
    }
    return payload;
  }

  put(record: JournalRecord): void {
    this.puts.push(record);
    this.length += record.length;
  }

  remove(order: number): void {
    this.removed.push(order);
  }

  whenWritten(done: (error?: Error) => void): void {
    this.waiting.push(done);
  }

  settle(error?: Error): void {
    this.waiting.forEach((done) => done(error));
  }

  /** What a group before this one could not write. */
  inherit({ puts, removed }: Group): void {
    puts.forEach((record) => this.put(record));
    removed.forEach((order) => this.remove(order));
  }
}
