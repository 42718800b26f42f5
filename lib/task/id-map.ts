/** How far deletions may exceed the remaining entries before the table is rebuilt. */
const RENEW_AFTER = 64;

/**
 * A map for entries that come and go often. Its table is rebuilt now and then, for the reason that
 * {@link LinkedList} gives: no old table points to a new `Map`'s.
 */
export class IdMap<V> {
  private entries = new Map<string, V>();
  private deleted = 0;

  get size(): number {
    return this.entries.size;
  }

  get(id: string): V | undefined {
    return this.entries.get(id);
  }

  has(id: string): boolean {
    return this.entries.has(id);
  }

  set(id: string, value: V): void {
    this.entries.set(id, value);
  }

  /** @returns whether there was such an entry */
  delete(id: string): boolean {
    if (!this.entries.delete(id)) {
      return false;
    }
    this.deleted += 1;
    if (this.deleted > this.entries.size + RENEW_AFTER) {
      this.entries = new Map(this.entries);
      this.deleted = 0;
    }
    return true;
  }

  values(): V[] {
    return [...this.entries.values()];
  }
}
