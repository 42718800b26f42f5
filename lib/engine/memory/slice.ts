import type { Clock } from '../../task/clock.js';

export interface Pump {
  pump(): void;
}

/** Decides when tasks may start, within the limits of their queues. */
export interface Pace {
  /** Requests made before are kept. */
  open(): void;
  close(): void;
  /** Calls `pump.pump()` when there is time, never synchronously. */
  request(pump: Pump): void;
  /** Whether one more task may start now. */
  hasTime(): boolean;
}

/**
 * How long tasks may be started in one go before the event loop gets its turn, in milliseconds. A
 * request waits for the end of the slice. Shorter slices, down to 0.1, cost no more; but beside
 * many requests, tasks would get hardly any time.
 */
const SLICE_MS = 0.25;

/**
 * Shares the event loop with everything else. Without slices, tasks that end at once would follow
 * one another in microtasks, and no request would be served before the last of them.
 */
export class Slice implements Pace {
  /** Each queue at most once. */
  private readonly requests: Pump[] = [];
  private isOpen = false;
  private isDue = false;
  private endsAt = 0;
  private isOver = true;

  constructor(private readonly clock: Clock) {}

  open(): void {
    this.isOpen = true;
    this.schedule();
  }

  close(): void {
    this.isOpen = false;
    this.isOver = true;
  }

  request(pump: Pump): void {
    if (!this.requests.includes(pump)) {
      this.requests.push(pump);
    }
    this.schedule();
  }

  hasTime(): boolean {
    this.isOver ||= this.clock.now() >= this.endsAt;
    return !this.isOver;
  }

  private schedule(): void {
    if (this.isOpen && !this.isDue && this.requests.length > 0) {
      this.isDue = true;
      this.clock.soon(this.begin);
    }
  }

  private readonly begin = (): void => {
    this.isDue = false;
    if (!this.isOpen) {
      return;
    }
    this.endsAt = this.clock.now() + SLICE_MS;
    this.isOver = false;
    // Queues left over are first in the next slice: a busy queue that asks again goes behind them.
    for (let rest = this.requests.length; rest > 0 && this.hasTime(); rest -= 1) {
      this.requests.shift()?.pump();
    }
    this.schedule();
  };
}
