import type { Clock } from '../task/clock.js';

/** How long the same refusal is only counted, in milliseconds. */
const QUIET_MS = 10_000;

/** What requests were refused: each kind is told at once, and then with its count, not for each request. */
export class Refusals {
  private readonly counted = new WeakSet<Error>();
  private readonly quiet = new Map<string, { latest: Error; more: number; callOff: () => void }>();

  constructor(
    private readonly clock: Clock,
    private readonly tell: (error: Error, count: number) => void,
  ) {}

  /** @param error passes by again where it is thrown on */
  add(error: Error): void {
    if (this.counted.has(error)) {
      return;
    }
    this.counted.add(error);
    const quiet = this.quiet.get(error.message);
    if (quiet === undefined) {
      this.say(error, 1);
    } else {
      quiet.latest = error;
      quiet.more += 1;
    }
  }

  /** Tells what was only counted so far. */
  end(): void {
    for (const { latest, more, callOff } of this.quiet.values()) {
      callOff();
      if (more > 0) {
        this.tell(latest, more);
      }
    }
    this.quiet.clear();
  }

  private say(error: Error, count: number): void {
    const callOff = this.clock.after(QUIET_MS, () => {
      const { latest = error, more = 0 } = this.quiet.get(error.message) ?? {};
      this.quiet.delete(error.message);
      if (more > 0) {
        this.say(latest, more);
      }
    });
    this.quiet.set(error.message, { latest: error, more: 0, callOff });
    this.tell(error, count);
  }
}
