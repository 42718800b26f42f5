import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import type { Clock } from '../../../lib/task/clock.js';

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

/**
 * Time that moves only when a test says so. Between any two callbacks the microtasks run to their
 * end, as they do between two timers of Node.js.
 */
export class FakeClock implements Clock {
  private timers: Timer[] = [];
  private waitingForTurn: (() => void)[] = [];
  /** How many turns of the event loop had something to do for {@link soon}. */
  turns = 0;
  /** How often {@link after} was called, ever. */
  timersMade = 0;

  constructor(private timeMs = Date.UTC(2026, 0, 1)) {}

  now(): number {
    return this.timeMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    if (!Number.isFinite(delayMs) || delayMs < 0) {
      throw new RangeError(`A timer of ${delayMs} ms was asked for.`);
    }
    const timer = { at: this.timeMs + delayMs, callback };
    this.timersMade += 1;
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  soon(callback: () => void): void {
    this.waitingForTurn.push(callback);
  }

  wall(): number {
    return this.timeMs;
  }

  at(timeMs: number, callback: () => void): () => void {
    return this.after(Math.max(0, timeMs - this.timeMs), callback);
  }

  /** How many timers are outstanding. */
  get pendingTimers(): number {
    return this.timers.length;
  }

  /** For a body: resolves when `delayMs` have passed. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMs, resolve);
    });
  }

  /** The thread is blocked for so long: time passes, and nothing is called. */
  block(delayMs: number): void {
    this.timeMs += delayMs;
  }

  /** Lets everything happen that happens within so many milliseconds, in order. */
  async advance(delayMs: number): Promise<void> {
    const end = this.timeMs + delayMs;
    for (;;) {
      await turnOfTheLoop();
      if (this.waitingForTurn.length > 0) {
        this.takeTurn();
        continue;
      }
      const timer = this.takeDue(end);
      if (timer === undefined) {
        break;
      }
      this.timeMs = Math.max(this.timeMs, timer.at);
      timer.callback();
    }
    this.timeMs = Math.max(this.timeMs, end);
  }

  /** Lets everything happen that takes no time. */
  settle(): Promise<void> {
    return this.advance(0);
  }

  private takeTurn(): void {
    const callbacks = this.waitingForTurn;
    this.waitingForTurn = [];
    this.turns += 1;
    callbacks.forEach((callback) => callback());
  }

  /** Of those due at one time, the one that was made first. */
  private takeDue(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.timers) {
      if (timer.at <= end && (first === undefined || timer.at < first.at)) {
        first = timer;
      }
    }
    this.timers = this.timers.filter((timer) => timer !== first);
    return first;
  }
}
