import type { Clock } from '../../task/clock.js';
import type { Pace, Pump } from './pace.js';

/** How long tasks may be started in one go before the event loop gets its turn, in milliseconds. */
const SLICE_MS = 2;

const QUESTIONS_PER_READING = 8;

/**
 * Shares the event loop with everything else. Tasks that end at once would otherwise follow one
 * another in microtasks, and no request would be served before the last of them.
 */
export class Slice implements Pace {
  private readonly requests = new Set<Pump>();
  private isOpen = false;
  private endsAt = 0;
  private isOver = true;
  private questions = 0;

  constructor(private readonly clock: Clock) {}

  open(): void {
    this.isOpen = true;
    if (this.requests.size > 0) {
      this.clock.soon(this.begin);
    }
  }

  close(): void {
    this.isOpen = false;
    this.isOver = true;
  }

  request(pump: Pump): void {
    if (!this.requests.has(pump)) {
      this.requests.add(pump);
      if (this.isOpen && this.requests.size === 1) {
        this.clock.soon(this.begin);
      }
    }
  }

  /** The clock is read for every so many questions only: it costs as much as a small task. */
  hasTime(): boolean {
    this.questions = (this.questions + 1) % QUESTIONS_PER_READING;
    if (this.questions === 0 && this.clock.now() >= this.endsAt) {
      this.isOver = true;
    }
    return !this.isOver;
  }

  private readonly begin = (): void => {
    if (this.isOpen) {
      this.endsAt = this.clock.now() + SLICE_MS;
      this.isOver = false;
      const pumps = [...this.requests];
      this.requests.clear();
      pumps.forEach((pump) => pump.pump());
    }
  };
}
