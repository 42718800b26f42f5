/** At most `max` starts within any span of `perMs`, wherever the span begins. */
export class RateLimit {
  /** The latest starts, at most `max` of them, as a ring: the next to be written is the oldest. */
  private readonly starts: number[] = [];
  private oldest = 0;

  constructor(
    private readonly max: number,
    private readonly perMs: number,
  ) {}

  /** How long from `now` until one more may start: 0 for at once. */
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
