/**
 * What has an id, by it. An object and not a `Map`, for the reason that
 * {@link LinkedList} gives: the tables of an object do not point to those that replace them.
 */
export class IdMap<V> {
  private readonly entries: Record<string, V | undefined> = Object.create(null) as Record<
    string,
    V
  >;
  private count = 0;

  get size(): number {
    return this.count;
  }

  get(id: string): V | undefined {
    return this.entries[id];
  }

  has(id: string): boolean {
    return this.entries[id] !== undefined;
  }

  set(id: string, value: V & {}): void {
    if (this.entries[id] === undefined) {
      this.count += 1;
    }
    this.entries[id] = value;
  }

  /** @returns whether it was there */
  delete(id: string): boolean {
    if (this.entries[id] === undefined) {
      return false;
    }
    this.count -= 1;
    // oxlint-disable-next-line typescript/no-dynamic-delete -- that is what it is for
    delete this.entries[id];
    return true;
  }

  values(): V[] {
    return Object.values(this.entries) as V[];
  }
}
