/** Keeps the latest `limit` entries. */
export class Ring<T> {
  private readonly entries: (T | undefined)[] = [];
  /** Once the ring is full, the next entry replaces this one. */
  private oldest = 0;

  constructor(private readonly limit: number) {}

  /** @returns the entry that was displaced */
  push(entry: T): T | undefined {
    if (this.entries.length < this.limit) {
      this.entries.push(entry);
      return undefined;
    }
    const gone = this.entries[this.oldest];
    this.entries[this.oldest] = entry;
    this.oldest = (this.oldest + 1) % this.limit;
    return gone;
  }

  has(entry: T): boolean {
    return this.entries.includes(entry);
  }

  remove(entry: T): boolean {
    const index = this.entries.indexOf(entry);
    if (index >= 0) {
      this.entries[index] = undefined;
    }
    return index >= 0;
  }

  /** The latest first. */
  *[Symbol.iterator](): Generator<T> {
    const { length } = this.entries;
    for (let age = 1; age <= length; age += 1) {
      const entry = this.entries[(this.oldest + length - age) % length];
      if (entry !== undefined) {
        yield entry;
      }
    }
  }
}
