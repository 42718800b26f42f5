import type { DeadLetter } from './dead-letter.js';
import { Group, type Done } from './group.js';
import type { JournalRecord } from './journal-record.js';

/** So long after it came, what nobody waits for is written by itself: in milliseconds. */
const LATER_MS = 10;
/** So long those wait who only want to hear of it: in milliseconds. */
const LISTEN_MS = 2_000;
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
 * Writes in groups: what comes while one is being written goes into the next, all of it. A transaction
 * costs a flush however little is in it, so under load few large ones make all the difference, and
 * nobody waits longer than for two. What nobody waits for does not hold up those who do: it goes with
 * the next group, or in a moment.
 */
export class GroupCommit {
  private filling = new Group();
  /** Resolves to whether the disk has taken the last of it. */
  private underWay: Promise<boolean> | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly sink: GroupSink) {}

  /** Calls `done` when all of them are on disk, or with an error where the disk did not take them. */
  commit(records: readonly JournalRecord[], done: Done): void {
    records.forEach((record) => this.filling.put(record));
    this.filling.wait(done);
    this.underWay ??= this.writeAll();
  }

  /** Part of what is committed next in this turn of the loop. */
  putSchedule(name: string, record: string | undefined): void {
    this.filling.schedules.set(name, record);
  }

  /** With what is written next, or in a moment: a crash may come first. */
  put(record: JournalRecord, done?: () => void): void {
    this.filling.put(record);
    this.addLater(done);
  }

  /** As {@link put}. */
  remove(order: number, done?: () => void): void {
    this.filling.remove(order);
    this.addLater(done);
  }

  /** @returns `undefined` where nothing of it waits to be written */
  isBuried(id: string): boolean | undefined {
    const { dead } = this.filling;
    return dead.has(id) ? dead.get(id) !== undefined : undefined;
  }

  /** Goes with what is given next, or in a moment: `undefined` for one that is not to be kept any more. */
  bury(id: string, letter: DeadLetter | undefined): void {
    this.filling.dead.set(id, letter);
    this.addLater(undefined);
  }

  /** Resolves when there is nothing left to write, or the disk does not take it. */
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
        // A disk that does not answer must not keep tasks from settling.
        const timer = setTimeout(() => filling.giveUp(), LISTEN_MS).unref();
        // It would keep what was written that long.
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
      // What the rest of this turn of the loop has to write comes along.
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

  /** @returns whether the disk has taken it */
  private async write(group: Group): Promise<boolean> {
    try {
      await this.sink.append(group);
      group.settle();
      return true;
    } catch (cause) {
      const error = new Error(`the disk did not take it: ${String(cause)}`, { cause });
      this.filling.inherit(group);
      if (!group.isAwaited) {
        this.sink.failed(error);
      }
      group.settle(error);
      return false;
    }
  }
}
