import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import type { KeepLimits } from '../engine.js';
import {
  inOrder,
  isWithin,
  type FailedQuery,
  type KeptTasks,
  type StoredCounts,
  type TaskQuery,
} from '../kept-tasks.js';
import type { Clock } from '../../task/clock.js';
import { fitsError } from '../../task/position.js';
import type { Task } from '../../task/task.js';
import type { TaskInfo } from '../../task/task-info.js';
import { infoOf, placeOf, type DeadLetter } from './dead-letter.js';
import type { JournalStore } from './journal-store.js';

/** How many letters are read before the event loop gets its turn. */
const SLICE = 500;
const ANY: FailedQuery = {
  before: undefined,
  error: undefined,
  after: undefined,
  isOldestFirst: false,
};

/** The engine's part in a retry. */
export interface Reviver {
  /** @throws if the task cannot be stored, or its queue is full */
  revive(letter: DeadLetter): Promise<Task | undefined>;
  readArgs(text: string): unknown[];
  /** Resolves when all pending changes are written. @throws StoreUnavailableError */
  written(): Promise<void>;
}

/** The dead letters of a journal. They are on disk only, however many there are. */
export class DeadLetters implements KeptTasks {
  /** Ids that are being retried or forgotten: for other callers they no longer exist. */
  private readonly leaving = new Set<string>();

  constructor(
    private readonly store: JournalStore,
    private readonly keep: KeepLimits,
    private readonly clock: Clock,
    private readonly reviver: Reviver,
  ) {
    store.bound(keep, () => clock.now());
  }

  /** Written in the same transaction that removes the task's record. */
  bury(letter: DeadLetter): void {
    this.store.bury(letter);
  }

  find(id: string): Promise<TaskInfo | undefined> {
    const letter = this.letterOf(id);
    return Promise.resolve(letter && this.infoOf(letter));
  }

  async list(query: TaskQuery): Promise<TaskInfo[]> {
    const { status, name, queue, limit, failed = ANY } = query;
    if (status !== undefined && status !== 'failed') {
      return [];
    }
    const oldestAt = this.clock.now() - this.keep.ageMs;
    const fits = (letter: DeadLetter): boolean =>
      (letter.failedAt >= oldestAt || letter.isUnreadable === true) &&
      isWithin(placeOf(letter), failed) &&
      (name === undefined || letter.name === name) &&
      (queue === undefined || letter.queue === queue) &&
      (failed.error === undefined || fitsError(letter.error, failed.error)) &&
      !this.leaving.has(letter.id);
    const found: DeadLetter[] = [];
    let { after } = failed;
    for (;;) {
      // No cursor stays open between slices, so changes made meanwhile are seen.
      const slice = [...this.store.lettersFrom({ ...failed, after }, SLICE)];
      for (const letter of slice) {
        after = placeOf(letter);
        if (found.length < limit && fits(letter)) {
          found.push(letter);
        }
      }
      if (slice.length < SLICE || found.length >= limit) {
        break;
      }
      await turnOfTheLoop();
    }
    const unreadable = this.store.unreadable.filter(fits);
    const infos = [...found, ...unreadable].map((letter) => this.infoOf(letter));
    return unreadable.length === 0 ? infos : inOrder(infos, query).slice(0, limit);
  }

  async counts(queue: string | undefined): Promise<ReadonlyMap<string, StoredCounts>> {
    const counts = new Map<string, { failed: number }>();
    for (const [name, failed] of this.store.lettersByQueue) {
      if (queue === undefined || name === queue) {
        counts.set(name, { failed });
      }
    }
    return Promise.resolve(counts);
  }

  async forget(id: string): Promise<boolean> {
    if (this.store.forgetUnreadable(id)) {
      await this.reviver.written();
      return true;
    }
    if (this.letterOf(id) === undefined) {
      return false;
    }
    await this.whileLeaving(id, () => {
      this.store.unbury(id);
      return this.reviver.written();
    });
    return true;
  }

  async retry(id: string): Promise<Task | undefined> {
    const letter = this.letterOf(id);
    if (letter?.isUnreadable) {
      throw new Error(letter.error.message);
    }
    return letter && this.whileLeaving(id, () => this.reviver.revive(letter));
  }

  private async whileLeaving<T>(id: string, act: () => Promise<T>): Promise<T> {
    this.leaving.add(id);
    try {
      return await act();
    } finally {
      this.leaving.delete(id);
    }
  }

  private letterOf(id: string): DeadLetter | undefined {
    return this.leaving.has(id)
      ? undefined
      : (this.store.letter(id) ?? this.store.unreadable.find((each) => each.id === id));
  }

  private infoOf(letter: DeadLetter): TaskInfo {
    return infoOf(letter, (text) => this.reviver.readArgs(text));
  }
}
