import type { Clock } from '../../task/clock.js';

/** Called once, maybe before `ask()` returns. */
export type Answer = (error?: Error) => void;

interface Waiting {
  /** Milliseconds since the epoch. */
  readonly until: number;
  readonly answer: Answer;
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
   * Asks, and resolves with the answer, if it comes in time. What comes later is ignored.
   *
   * @param conclude told how it ended, before anybody else; an error is what it makes of it
   * @throws Error where there is none in time, or what was answered
   */
  wait(
    ask: (answer: Answer) => void,
    conclude?: (error: Error | undefined) => Error | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting = {
        until: this.clock.now() + this.timeoutMs,
        answer: (answer?: Error): void => {
          if (this.leave(waiting)) {
            const error = conclude === undefined ? answer : conclude(answer);
            if (error === undefined) {
              resolve();
            } else {
              reject(error);
            }
          }
        },
      };
      this.waiting.add(waiting);
      this.callOff ??= this.clock.after(this.timeoutMs, this.look);
      try {
        ask(waiting.answer);
      } catch (error) {
        waiting.answer(error as Error);
      }
    });
  }

  /** @returns whether it was still waited for */
  private leave(waiting: Waiting): boolean {
    const isAwaited = this.waiting.delete(waiting);
    if (this.waiting.size === 0) {
      // A timer would keep the process from ending.
      this.callOff?.();
      this.callOff = undefined;
    }
    return isAwaited;
  }

  private readonly look = (): void => {
    this.callOff = undefined;
    for (const { until, answer } of this.waiting) {
      const restMs = until - this.clock.now();
      if (restMs > 0) {
        this.callOff = this.clock.after(restMs, this.look);
        return;
      }
      answer(new Error(`there was no answer within ${this.timeoutMs} ms`));
    }
  };
}
