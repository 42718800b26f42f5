/** Knows its neighbours in a line, so that it can leave from anywhere. */
export interface Arrival<T> {
  before: T | undefined;
  after: T | undefined;
}

/**
 * In the order of their arrival, the first at hand whoever has left since. A map is in that order,
 * too, but looks for its first entry behind all that were deleted.
 */
export class Arrivals<T extends Arrival<T>> {
  first: T | undefined = undefined;
  private last: T | undefined = undefined;

  add(arrival: T): void {
    arrival.before = this.last;
    if (this.last === undefined) {
      this.first = arrival;
    } else {
      this.last.after = arrival;
    }
    this.last = arrival;
  }

  remove(arrival: T): void {
    const { before, after } = arrival;
    if (before === undefined) {
      this.first = after;
    } else {
      before.after = after;
    }
    if (after === undefined) {
      this.last = before;
    } else {
      after.before = before;
    }
    // Else one that the collector has not come to yet would keep those behind it alive.
    arrival.before = undefined;
    arrival.after = undefined;
  }
}
