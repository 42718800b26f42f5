import type { Clock } from '../task/clock.js';
import { realClock } from './real-clock.js';

interface Timer {
  readonly at: number;
  readonly callback: () => void;
  /** Calls off the real timer, where the clock runs. */
  readonly callOff: () => void;
}

/** The clock of a test. It stands still, or runs with real time and can be moved ahead. */
export class KitClock implements Clock {
  private readonly timers = new Set<Timer>();
  private readonly startedAt = realClock.now();
  private skewMs = 0;

  /** @param hasTicks whether schedules tick: only where the test itself moves the time, and tasks run */
  constructor(
    private readonly isRunning: boolean,
    private readonly hasTicks: boolean,
  ) {}

  now(): number {
    return (this.isRunning ? realClock.now() : this.startedAt) + this.skewMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer: Timer = {
      at: this.now() + delayMs,
      callback,
      callOff: this.isRunning
        ? realClock.after(delayMs, () => this.fire(timer))
        : (): void => undefined,
    };
    this.timers.add(timer);
    return () => this.forget(timer);
  }

  /** Always real: the pace decides when tasks start. */
  soon(callback: () => void): void {
    realClock.soon(callback);
  }

  wall(): number {
    return this.now();
  }

  at(timeMs: number, callback: () => void): () => void {
    return this.hasTicks
      ? this.after(Math.max(0, timeMs - this.now()), callback)
      : (): void => undefined;
  }

  /** When the earliest timer is due: milliseconds since the epoch. */
  get next(): number | undefined {
    return this.earliest?.at;
  }

  /** Moves on to `at`, unless that is past, and calls the timers that are due by then. */
  moveTo(at: number): void {
    this.skewMs += Math.max(0, at - this.now());
    const due = [...this.timers].filter((timer) => timer.at <= at).toSorted(byTime);
    // A timer may call off another one that is due at the same time.
    due.filter((timer) => this.timers.has(timer)).forEach((timer) => this.fire(timer));
  }

  private get earliest(): Timer | undefined {
    return [...this.timers].toSorted(byTime)[0];
  }

  private fire(timer: Timer): void {
    if (this.timers.has(timer)) {
      this.forget(timer);
      timer.callback();
    }
  }

  private forget(timer: Timer): void {
    timer.callOff();
    this.timers.delete(timer);
  }
}

/** Sorting is stable: of the timers due at the same time, the first one set comes first. */
function byTime(one: Timer, other: Timer): number {
  return one.at - other.at;
}
