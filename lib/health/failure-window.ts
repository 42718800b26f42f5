interface Sample {
  readonly at: number;
  readonly completed: number;
  readonly failed: number;
}

/** What happened to a queue's tasks lately, from its counters as they were seen at each look. */
export class FailureWindow {
  private samples: Sample[] = [];

  /** @param at milliseconds since the epoch */
  look(sample: Sample, windowMs: number): { readonly runs: number; readonly failureRate: number } {
    // The latest one before the window is where it begins.
    const begin = this.samples.findLastIndex(({ at }) => at <= sample.at - windowMs);
    this.samples = [...this.samples.slice(Math.max(0, begin)), sample];
    const from = begin < 0 ? NOTHING : this.samples[0];
    const failed = sample.failed - from.failed;
    const runs = sample.completed - from.completed + failed;
    return { runs, failureRate: runs === 0 ? 0 : failed / runs };
  }
}

/** An application that was not watched yet started within the window, as far as anybody knows. */
const NOTHING: Sample = { at: 0, completed: 0, failed: 0 };
