import type { Pace, Pump } from '../engine/memory/slice.js';
import { realClock } from './real-clock.js';

/** Tasks start only when they are told to: one, or all that may. */
export class ManualPace implements Pace {
  private readonly pumps = new Set<Pump>();
  private allowance = 0;
  private isFlushing = false;

  constructor(private readonly onChange: () => void) {}

  open(): void {
    // It does not matter whether the application has started: the test says when tasks do.
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

  /** To be called with each start. */
  started(): void {
    this.allowance -= 1;
  }

  /** Lets as many tasks start as there may; at once those that can, the others as they come. */
  allow(starts: number): void {
    this.allowance = starts;
    this.flush();
  }

  stop(): void {
    this.allowance = 0;
  }

  /** Whether something waits for being allowed. */
  get isBlocked(): boolean {
    return this.pumps.size > 0;
  }

  private flush(): void {
    if (this.isFlushing) {
      return;
    }
    this.isFlushing = true;
    // A pump that has to stop asks again at once: it is not to be seen twice.
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
