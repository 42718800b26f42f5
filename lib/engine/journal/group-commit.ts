import type { DeadLetter } from './dead-letter.js';
import { Group, type Done } from './group.js';
import type { JournalRecord } from './journal-record.js';

/** How long a change waits if no caller waits for it, in milliseconds. */
const LATER_MS = 10;
/** How long listeners wait at most, in milliseconds. */
const LISTEN_MS = 2_000;
/** The wait before another try after a failed write, in milliseconds. */
const AGAIN_MS = 1_000;

/** Writes groups. */
export interface GroupSink {
  /** @throws the disk's error */
  append(group: Group): Promise<void>;
  /** Called if a write failed for which no caller waits. It is tried again. */
  failed(error: Error): void;
}

/**
 * Group commit: all changes that come while one group is being written go into the next. A flush
 * costs the same for any amount, so few large transactions carry far more load, and no caller waits
 * for more than two. Changes that no caller waits for delay nobody: they go with the next group, or
 * a moment later.
 */
export class GroupCommit {
  private filling = new Group();
  /** Resolves to whether the last write succeeded. */
  private underWay: Promise<boolean> | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly sink: GroupSink) {}

  /** Calls `done` when all records are on disk, or with the disk's error. */
  commit(records: readonly JournalRecord[], done: Done): void {
    records.forEach((record) => this.filling.put(record));
    this.filling.wait(done);
    this.underWay ??= this.writeAll();
  }

  /** Part of the next commit in this turn of the event loop. */
  putSchedule(name: string, record: string | undefined): void {
    this.filling.schedules.set(name, record);
  }

  /** Written with the next group, or a moment later. A crash may come first. */
  put(record: JournalRecord, done?: () => void): void {
    this.filling.put(record);
    this.addLater(done);
  }

  /** As {@link put}. */
  remove(order: number, done?: () => void): void {
    this.filling.remove(order);
    this.addLater(done);
  }

  /** @returns `undefined` if no change of this letter is pending */
  isBuried(id: string): boolean | undefined {
    const { dead } = this.filling;
    return dead.has(id) ? dead.get(id) !== undefined : undefined;
  }

  /** Written with the next group, or a moment later; `undefined` removes the letter. */
  bury(id: string, letter: DeadLetter | undefined): void {
    this.filling.dead.set(id, letter);
    this.addLater(undefined);
  }

  /** Resolves when nothing is left to write, or a write fails. */
  async flush(): Promise<void> {
    await this.underWay;
    let isTaken = true;
    while (isTaken && !this.filling.isEmpty) {
      isTaken = await (this.underWay ??= this.writeAll());
    }
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private addLater(done: (() => void) | undefined): void {
    if (done !== undefined) {
      const { filling } = this;
      if (!filling.hasListeners) {
        // A disk that hangs must not keep tasks from settling.
        const timer = setTimeout(() => filling.giveUp(), LISTEN_MS).unref();
        // Otherwise the timer would keep the written group alive until then.
        filling.listen(() => clearTimeout(timer));
      }
      filling.listen(done);
    }
    if (this.underWay === undefined) {
      this.beginLater(LATER_MS);
    }
  }

  private beginLater(delayMs: number): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.underWay ??= this.writeAll();
    }, delayMs);
  }

  private async writeAll(): Promise<boolean> {
    clearTimeout(this.timer);
    this.timer = undefined;
    let isTaken = true;
    do {
      // Also takes what the rest of this turn of the event loop has to write.
      await new Promise(setImmediate);
      const group = this.filling;
      this.filling = new Group();
      isTaken = await this.write(group);
    } while (this.filling.isAwaited);
    this.underWay = undefined;
    if (!this.filling.isEmpty) {
      this.beginLater(isTaken ? LATER_MS : AGAIN_MS);
    }
    return isTaken;
  }

  /** @returns whether the write succeeded */
  private async write(group: Group): Promise<boolean> {
    try {
      await this.sink.append(group);
      group.settle();
      return true;
    } catch (cause) {
      const error = new Error(`the write failed: ${String(cause)}`, { cause });
      this.filling.inherit(group);
      if (!group.isAwaited) {
        this.sink.failed(error);
      }
      group.settle(error);
      return false;
    }
  }
}
