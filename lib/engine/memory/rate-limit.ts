/** Allows at most `max` starts within any span of `perMs`: a sliding window. */
export class RateLimit {
  /** A ring of the latest starts, at most `max`: the next one to be overwritten is the oldest. */
  private readonly starts: number[] = [];
  private oldest = 0;

  constructor(
    private readonly max: number,
    private readonly perMs: number,
  ) {}

  /** The wait from `now` until one more task may start; 0 if it may at once. */
  waitMs(now: number): number {
    const start = this.starts[this.oldest];
    return this.starts.length < this.max || start === undefined
      ? 0
      : Math.max(0, start + this.perMs - now);
  }

  started(now: number): void {
    if (this.starts.length < this.max) {
      this.starts.push(now);
    } else {
      this.starts[this.oldest] = now;
      this.oldest = (this.oldest + 1) % this.max;
    }
  }
}
