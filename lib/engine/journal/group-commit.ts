import { Group } from './group.js';
import type { JournalRecord } from './journal-record.js';

/** So long after it came, what nobody waits for is written by itself: in milliseconds. */
const LATER_MS = 10;
/** When it is tried again, where the disk did not take it: in milliseconds. */
const AGAIN_MS = 1_000;

/** Where groups go. */
export interface GroupSink {
  /** @throws what the disk did */
  append(group: Group): Promise<void>;
  /** Nobody waited for what could not be written; it is tried again. */
  failed(error: Error): void;
}

/**
 * Writes in groups: what comes while one is being written goes into the next, all of it. A write costs
 * a flush however little is in it, so under load few large ones make all the difference, and nobody
 * waits longer than for two.
 */
export class GroupCommit {
  /** The first is written next, the last is filled. */
  private readonly groups = [new Group()];
  private underWay: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly sink: GroupSink) {}

  /** Calls `done` when all of them are on disk, or with an error where the disk did not take them. */
  commit(records: readonly JournalRecord[], done: (error?: Error) => void): void {
    const group = this.filling();
    for (const record of records) {
      group.put(record);
    }
    group.whenWritten(done);
    this.begin();
  }

  /** With what is written next, or in a moment: a crash may come first. */
  put(record: JournalRecord): void {
    this.filling().put(record);
    this.beginLater(LATER_MS);
  }

  /** As {@link put}. */
  remove(order: number): void {
    this.filling().remove(order);
    this.beginLater(LATER_MS);
  }

  /** Resolves when there is nothing left to write, or the disk does not take it. */
  async flush(): Promise<void> {
    await this.underWay;
    if (!this.filling().isEmpty) {
      this.begin();
      await this.underWay;
    }
    clearTimeout(this.timer);
  }

  private filling(): Group {
    const group = this.groups.at(-1) as Group;
    if (!group.isFull) {
      return group;
    }
    const another = new Group();
    this.groups.push(another);
    return another;
  }

  private begin(): void {
    this.underWay ??= this.writeAll();
  }

  private beginLater(delayMs: number): void {
    if (this.timer === undefined && this.underWay === undefined) {
      this.timer = setTimeout(() => {
        this.timer = undefined;
        this.begin();
      }, delayMs);
    }
  }

  private async writeAll(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    let delayMs = LATER_MS;
    do {
      // What the rest of this turn of the loop has to write comes along.
      await new Promise(setImmediate);
      const group = this.groups.shift() as Group;
      if (this.groups.length === 0) {
        this.groups.push(new Group());
      }
      delayMs = (await this.write(group)) ? LATER_MS : AGAIN_MS;
    } while (this.groups.length > 1 || this.filling().isAwaited);
    this.underWay = undefined;
    if (!this.filling().isEmpty) {
      this.beginLater(delayMs);
    }
  }

  private async write(group: Group): Promise<boolean> {
    try {
      await this.sink.append(group);
      group.settle();
      return true;
    } catch (cause) {
      const error = new Error(`the disk did not take it: ${String(cause)}`, { cause });
      this.groups[0].inherit(group);
      if (!group.isAwaited) {
        this.sink.failed(error);
      }
      group.settle(error);
      return false;
    }
  }
}
