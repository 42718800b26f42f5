/** What can stand in one {@link LinkedList}. */
export interface Linked<T> {
  /** The one before it, while it is in a list: the list's. */
  before: T | undefined;
  /** The one behind it: the list's. */
  behind: T | undefined;
}

/**
 * In the order of their arrival; any of them can leave at once.
 *
 * Not a `Set`: where many come and go, V8 replaces a set's table again and again, and each table
 * points to the next. Once one of them is old, everything that was ever in a later one survives
 * until the next full collection.
 */
export class LinkedList<T extends Linked<T>> {
  first: T | undefined = undefined;
  private last: T | undefined = undefined;

  add(item: T): void {
    item.before = this.last;
    if (this.last === undefined) {
      this.first = item;
    } else {
      this.last.behind = item;
    }
    this.last = item;
  }

  /** @returns whether it was there */
  delete(item: T): boolean {
    const { before, behind } = item;
    if (before === undefined && this.first !== item) {
      return false;
    }
    if (before === undefined) {
      this.first = behind;
    } else {
      before.behind = behind;
    }
    if (behind === undefined) {
      this.last = before;
    } else {
      behind.before = before;
    }
    // Else one that the collector has not come to yet would keep those behind it alive.
    item.before = undefined;
    item.behind = undefined;
    return true;
  }

  /** An item may be deleted when its turn comes. */
  *[Symbol.iterator](): Generator<T> {
    for (let item = this.first; item !== undefined;) {
      const { behind } = item;
      yield item;
      item = behind;
    }
  }
}
