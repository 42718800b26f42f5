import type { Clock } from '../task/clock.js';

interface Waiting {
  /** Milliseconds since the epoch. */
  readonly until: number;
  readonly giveUp: (error: Error) => void;
}

/** Waits for answers, for so long each, with one timer for all of them. */
export class Patience {
  /** In the order in which they run out. */
  private readonly waiting = new Set<Waiting>();
  private callOff: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly timeoutMs: number,
  ) {}

  /**
   * `answer`, if it comes in time. What comes later is ignored, a rejection too.
   *
   * @throws Error where it does not
   */
  wait<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting = { until: this.clock.now() + this.timeoutMs, giveUp: reject };
      this.waiting.add(waiting);
      this.callOff ??= this.clock.after(this.timeoutMs, this.look);
      answer.then(
        (value) => {
          this.leave(waiting);
          return resolve(value);
        },
        (error: unknown) => {
          this.leave(waiting);
          reject(error);
        },
      );
    });
  }

  private leave(waiting: Waiting): void {
    this.waiting.delete(waiting);
    if (this.waiting.size === 0) {
      // A timer would keep the process from ending.
      this.callOff?.();
      this.callOff = undefined;
    }
  }

  private readonly look = (): void => {
    this.callOff = undefined;
    for (const waiting of this.waiting) {
      const restMs = waiting.until - this.clock.now();
      if (restMs > 0) {
        this.callOff = this.clock.after(restMs, this.look);
        return;
      }
      this.waiting.delete(waiting);
      waiting.giveUp(new Error(`there was no answer within ${this.timeoutMs} ms`));
    }
  };
}
