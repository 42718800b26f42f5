import type { Clock } from '../task/clock.js';

/** After a line is written, events of its kind are only counted for this long. */
const QUIET_MS = 10_000;

type Tell = (count: number) => void;

/**
 * Refusals may come in masses. The first of each kind is told at once; later ones are counted, and
 * told together.
 */
export class Refusals {
  private readonly quiet = new Map<string, { tell: Tell; more: number; callOff: () => void }>();

  constructor(private readonly clock: Clock) {}

  /**
   * @param tell called with 1, or with the number of refusals since this kind was last told. Of
   * several, the latest is called
   */
  add(kind: string, tell: Tell): void {
    const quiet = this.quiet.get(kind);
    if (quiet === undefined) {
      this.say(kind, tell, 1);
    } else {
      quiet.tell = tell;
      quiet.more += 1;
    }
  }

  /** Tells the refusals that were only counted so far. */
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
