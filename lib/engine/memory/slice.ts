import type { Clock } from '../../task/clock.js';
import type { Pace, Pump } from './pace.js';

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
  private readonly requests = new Set<Pump>();
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
    this.requests.add(pump);
    this.schedule();
  }

  hasTime(): boolean {
    this.isOver ||= this.clock.now() >= this.endsAt;
    return !this.isOver;
  }

  private schedule(): void {
    if (this.isOpen && !this.isDue && this.requests.size > 0) {
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
    const turn = [...this.requests];
    for (const pump of turn) {
      // Those that the time does not last for are first in the next slice: a busy queue that asks
      // for more stands behind them.
      if (!this.hasTime()) {
        break;
      }
      this.requests.delete(pump);
      pump.pump();
    }
    this.schedule();
  };
}
