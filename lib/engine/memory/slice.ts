import type { Clock } from '../../task/clock.js';

/** Something that has tasks to start. */
export interface Pump {
  pump(): void;
}

/** Says when tasks may start, whatever the limits of their queues allow. */
export interface Pace {
  /** Until then, requests are only kept. */
  open(): void;
  close(): void;
  /** Calls `pump.pump()` when there is time: never before this has returned. */
  request(pump: Pump): void;
  /** Whether one more task may start now. */
  hasTime(): boolean;
}

/**
 * How long tasks may be started in one go before the event loop gets its turn, in milliseconds. A
 * request waits for its end. Shorter ones cost no more, down to 0.1; but beside many requests tasks
 * would then get hardly any time at all.
 */
const SLICE_MS = 0.25;

/**
 * Shares the event loop with everything else. Tasks that end at once would otherwise follow one
 * another in microtasks, and no request would be served before the last of them.
 */
export class Slice implements Pace {
  /** As many as there are queues at most, each once. */
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
    // Those that the time does not last for are first in the next slice: a busy queue that asks for
    // more stands behind them.
    for (let rest = this.requests.length; rest > 0 && this.hasTime(); rest -= 1) {
      this.requests.shift()?.pump();
    }
    this.schedule();
  };
}
