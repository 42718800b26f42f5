import type { Clock } from '../task/clock.js';

/** How long what is of the same kind is only counted, in milliseconds. */
const QUIET_MS = 10_000;

type Tell = (count: number) => void;

/** What was refused, maybe in masses: each kind is told at once, and then with its count, not each time. */
export class Refusals {
  private readonly quiet = new Map<string, { tell: Tell; more: number; callOff: () => void }>();

  constructor(private readonly clock: Clock) {}

  /** @param tell called with how many there were since this kind was told of, if this is the latest */
  add(kind: string, tell: Tell): void {
    const quiet = this.quiet.get(kind);
    if (quiet === undefined) {
      this.say(kind, tell, 1);
    } else {
      quiet.tell = tell;
      quiet.more += 1;
    }
  }

  /** Tells what was only counted so far. */
  end(): void {
    for (const { tell, more, callOff } of this.quiet.values()) {
      callOff();
      if (more > 0) {
        tell(more);
      }
    }
    this.quiet.clear();
  }

  private say(kind: string, tell: Tell, count: number): void {
    const callOff = this.clock.after(QUIET_MS, () => {
      const { tell: latest = tell, more = 0 } = this.quiet.get(kind) ?? {};
      this.quiet.delete(kind);
      if (more > 0) {
        this.say(kind, latest, more);
      }
    });
    this.quiet.set(kind, { tell, more: 0, callOff });
    tell(count);
  }
}
