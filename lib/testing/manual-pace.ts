import type { Pace, Pump } from '../engine/memory/slice.js';
import { realClock } from './real-clock.js';

/** Starts tasks only when the test says so: one, or all that may start. */
export class ManualPace implements Pace {
  private readonly pumps = new Set<Pump>();
  private allowance = 0;
  private isFlushing = false;

  constructor(private readonly onChange: () => void) {}

  open(): void {
    // Whether the application has started does not matter: the test decides when tasks start.
  }

  close(): void {
    this.stop();
    this.pumps.clear();
  }

  request(pump: Pump): void {
    this.pumps.add(pump);
    if (this.allowance > 0) {
      realClock.soon(() => this.flush());
    }
  }

  hasTime(): boolean {
    return this.allowance > 0;
  }

  /** Must be called at each start of a task. */
  started(): void {
    this.allowance -= 1;
  }

  /** Lets this many tasks start: at once those that can, the others as they come. */
  allow(starts: number): void {
    this.allowance = starts;
    this.flush();
  }

  stop(): void {
    this.allowance = 0;
  }

  /** Whether any task waits for an allowance. */
  get isBlocked(): boolean {
    return this.pumps.size > 0;
  }

  private flush(): void {
    if (this.isFlushing) {
      return;
    }
    this.isFlushing = true;
    // A copy: a pump that has to stop asks again at once, and must not be visited twice.
    const pumps = [...this.pumps];
    pumps.forEach((pump) => {
      if (this.allowance > 0) {
        this.pumps.delete(pump);
        pump.pump();
      }
    });
    this.isFlushing = false;
    this.onChange();
  }
}
