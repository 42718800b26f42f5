interface Sample {
  readonly at: number;
  readonly completed: number;
  readonly failed: number;
}

/** The latest results of a queue, from its counters at each check. */
export class FailureWindow {
  private samples: Sample[] = [];

  /** @param at milliseconds since the epoch */
  look(sample: Sample, windowMs: number): { readonly runs: number; readonly failureRate: number } {
    // Counts from the latest sample that is older than the window.
    const begin = this.samples.findLastIndex(({ at }) => at <= sample.at - windowMs);
    this.samples = [...this.samples.slice(Math.max(0, begin)), sample];
    const from = begin < 0 ? NOTHING : this.samples[0];
    const failed = sample.failed - from.failed;
    const runs = sample.completed - from.completed + failed;
    return { runs, failureRate: runs === 0 ? 0 : failed / runs };
  }
}

/** Without an older sample, the window begins at the start of the application. */
const NOTHING: Sample = { at: 0, completed: 0, failed: 0 };
