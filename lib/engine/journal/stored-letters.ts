import type { Database, RangeOptions, RootDatabase } from 'lmdb';
import type { KeepLimits } from '../engine.js';
import type { FailedQuery } from '../kept-tasks.js';
import { decodeDeadLetter, unreadableLetter, type DeadLetter } from './dead-letter.js';

/** Sorts letters by time of failure, then id. */
type Key = [at: number, id: string];

/** Totals, stored so that a start need not read every letter. */
interface Tally {
  readonly bytes: number;
  readonly byQueue: Readonly<Record<string, number>>;
}

const NOTHING: Tally = { bytes: 0, byQueue: {} };

/** The dead letters, in separate trees, so that neither a start nor a commit has to go through them. */
export class StoredLetters {
  private readonly letters: Database<string, Key>;
  /** The time of failure by id. */
  private readonly times: Database<number, string>;
  private readonly tallies: Database<Tally, string>;
  private tally: Tally;
  /** Ids whose removal is pending. They no longer count. */
  private readonly trimmed = new Set<string>();

  /**
   * @param path the journal, for messages about letters that cannot be read
   * @param queue shown for letters whose queue cannot be read
   */
  constructor(
    root: RootDatabase<unknown, string>,
    private readonly path: string,
    private readonly queue: string,
  ) {
    this.letters = root.openDB<string, Key>({ name: 'failed', encoding: 'string' });
    this.times = root.openDB<number, string>({ name: 'failed-times' });
    this.tallies = root.openDB<Tally, string>({ name: 'failed-tally' });
    this.tally = this.tallies.get('all') ?? NOTHING;
  }

  /** The number of letters per queue. */
  get byQueue(): Iterable<[queue: string, count: number]> {
    return Object.entries(this.tally.byQueue);
  }

  get(id: string): DeadLetter | undefined {
    const at = this.times.get(id);
    const line = at === undefined ? undefined : this.letters.get([at, id]);
    return line === undefined ? undefined : this.read([at ?? 0, id], line);
  }

  /** Up to `limit` letters from the start of a page. Only position and order of the query are applied. */
  *from({ after, before, isOldestFirst }: FailedQuery, limit: number): Generator<DeadLetter> {
    const start: Key | undefined = after && [after.at, after.id];
    const end: Key | undefined = before === undefined ? undefined : [before, ''];
    const range: RangeOptions = isOldestFirst
      ? { ...(start && { start }), ...(end && { end }) }
      : { reverse: true, ...((start ?? end) && { start: start ?? end }) };
    const options = { ...range, limit, exclusiveStart: start !== undefined };
    for (const { key, value } of this.letters.getRange(options)) {
      yield this.read(key, value);
    }
  }

  /** Must be called in a transaction. @returns a function to call once that has committed */
  write(dead: ReadonlyMap<string, DeadLetter | undefined>): () => void {
    if (dead.size === 0) {
      return () => undefined;
    }
    let { bytes } = this.tally;
    // A Map, because a queue may be named "constructor".
    const byQueue = new Map(this.byQueue);
    const count = (queue: string, change: number, line: string): void => {
      byQueue.set(queue, (byQueue.get(queue) ?? 0) + change);
      bytes += change * line.length;
    };
    for (const [id, letter] of dead) {
      const at = this.times.get(id);
      const former = at === undefined ? undefined : this.letters.get([at, id]);
      if (at !== undefined && former !== undefined) {
        void this.letters.remove([at, id]);
        count(this.read([at, id], former).queue, -1, former);
      }
      if (letter === undefined) {
        void this.times.remove(id);
      } else {
        const line = JSON.stringify(letter);
        void this.letters.put([letter.failedAt, id], line);
        void this.times.put(id, letter.failedAt);
        count(letter.queue, 1, line);
      }
    }
    const tally = { bytes, byQueue: Object.fromEntries(byQueue) };
    void this.tallies.put('all', tally);
    return () => {
      this.tally = tally;
      dead.forEach((_letter, id) => this.trimmed.delete(id));
    };
  }

  /** @returns the ids of letters beyond the limits, oldest first */
  excess({ count, bytes, ageMs }: KeepLimits, now: number): readonly string[] {
    const held = Object.values(this.tally.byQueue).reduce((sum, each) => sum + each, 0);
    let tooMany = held - this.trimmed.size - count;
    let tooLarge = this.tally.bytes - bytes;
    const excess: string[] = [];
    for (const { key, value } of this.letters.getRange({})) {
      const [at, id] = key;
      if (tooMany <= 0 && tooLarge <= 0 && at >= now - ageMs) {
        break;
      }
      tooLarge -= value.length;
      // A letter of a later version is not removed by this one.
      if (!this.trimmed.has(id) && !this.read(key, value).isUnreadable) {
        tooMany -= 1;
        this.trimmed.add(id);
        excess.push(id);
      }
    }
    return excess;
  }

  private read([at, id]: Key, line: string): DeadLetter {
    try {
      return decodeDeadLetter(line);
    } catch (error) {
      return unreadableLetter(this.path, this.queue, { at, id }, error);
    }
  }
}
