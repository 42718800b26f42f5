import type { Clock } from '../../task/clock.js';

/** How long tasks may be started in one go before the event loop gets its turn, in milliseconds. */
const SLICE_MS = 2;

/** Something that has tasks to start. */
interface Pump {
  pump(): void;
}

/**
 * Shares the event loop with everything else. Tasks that end at once would otherwise follow one
 * another in microtasks, and no request would be served before the last of them.
 */
export class Slice {
  private readonly requests = new Set<Pump>();
  private isOpen = false;
  private endsAt = 0;

  constructor(private readonly clock: Clock) {}

  /** Until then, requests are only kept. */
  open(): void {
    this.isOpen = true;
    if (this.requests.size > 0) {
      this.clock.soon(this.begin);
    }
  }

  close(): void {
    this.isOpen = false;
    this.endsAt = 0;
  }

  /** Calls `pump.pump()` in the next turn of the event loop. */
  request(pump: Pump): void {
    this.requests.add(pump);
    if (this.isOpen && this.requests.size === 1) {
      this.clock.soon(this.begin);
    }
  }

  hasTime(): boolean {
    return this.clock.now() < this.endsAt;
  }

  private readonly begin = (): void => {
    if (this.isOpen) {
      this.endsAt = this.clock.now() + SLICE_MS;
      const pumps = [...this.requests];
      this.requests.clear();
      pumps.forEach((pump) => pump.pump());
    }
  };
}
