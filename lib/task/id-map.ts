/** So many more are deleted than are left before the table is made anew. */
const RENEW_AFTER = 64;

/**
 * What has an id, by it, where many come and go. A `Map` that is made anew now and then, for the
 * reason that {@link LinkedList} gives: the table of a new one is pointed to by no table before it.
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

  /** @returns whether it was there */
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
