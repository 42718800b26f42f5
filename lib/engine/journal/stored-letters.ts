import type { Database, RangeOptions, RootDatabase } from 'lmdb';
import type { KeepLimits } from '../engine.js';
import type { FailedQuery } from '../kept-tasks.js';
import { decodeDeadLetter, unreadableLetter, type DeadLetter } from './dead-letter.js';

/** A time and an id: the order in which they failed. */
type Key = [at: number, id: string];

/** What all of them come to: read at a start, without looking at each. */
interface Tally {
  readonly bytes: number;
  readonly byQueue: Readonly<Record<string, number>>;
}

const NOTHING: Tally = { bytes: 0, byQueue: {} };

/** What has failed for good, in trees of its own: no start and no commit of others goes through it. */
export class StoredLetters {
  private readonly letters: Database<string, Key>;
  /** When each failed, by its id. */
  private readonly times: Database<number, string>;
  private readonly tallies: Database<Tally, string>;
  private tally: Tally;
  /** To be removed soon: they count no more. */
  private readonly trimmed = new Set<string>();

  /**
   * @param path of the journal, for what is said of letters that cannot be read
   * @param queue for those of which it is not known
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

  /** Of each queue, how many there are. */
  get byQueue(): Iterable<[queue: string, count: number]> {
    return Object.entries(this.tally.byQueue);
  }

  get(id: string): DeadLetter | undefined {
    const at = this.times.get(id);
    const line = at === undefined ? undefined : this.letters.get([at, id]);
    return line === undefined ? undefined : this.read([at ?? 0, id], line);
  }

  /** So many from where a page begins, whatever else is asked for. */
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

  /** In the transaction that is open. @returns what is to be called once it has been committed */
  write(dead: ReadonlyMap<string, DeadLetter | undefined>): () => void {
    if (dead.size === 0) {
      return () => undefined;
    }
    let { bytes } = this.tally;
    // A queue may have the name of what every object has: "constructor".
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

  /** @returns the ids of those that are too old or too many, the oldest first */
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
      // One of a later version is not this one's to remove.
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
