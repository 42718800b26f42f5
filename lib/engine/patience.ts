import type { Clock } from '../task/clock.js';
import { LinkedList, type Linked } from '../task/linked-list.js';

/** Called once, perhaps before `ask()` returns. */
export type Answer = (error?: Error) => void;

interface Waiting extends Linked<Waiting> {
  /** Milliseconds since the epoch. */
  readonly until: number;
  readonly giveUp: (error: Error) => void;
}

/** Waits a bounded time for each answer, with one timer for all of them. */
export class Patience {
  /** In the order of their deadlines. */
  private readonly waiting = new LinkedList<Waiting>();
  private callOff: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly timeoutMs: number,
  ) {}

  /**
   * Resolves as `answer` does, if that is in time. A later result is ignored, even a rejection.
   *
   * @throws Error if the time is over
   */
  wait<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting = this.begin(reject);
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

  /**
   * Asks, and resolves at the answer, if that comes in time. A later one is ignored.
   *
   * @param conclude called first with the result; returns the error to reject with, if any
   * @throws Error if the answer is an error or late
   */
  ask(
    ask: (answer: Answer) => void,
    conclude: (error: Error | undefined) => Error | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const answer = (answered?: Error): void => {
        if (this.leave(waiting)) {
          const error = conclude(answered);
          if (error === undefined) {
            resolve();
          } else {
            reject(error);
          }
        }
      };
      const waiting = this.begin(answer);
      try {
        ask(answer);
      } catch (error) {
        answer(error as Error);
      }
    });
  }

  private begin(giveUp: (error: Error) => void): Waiting {
    const until = this.clock.now() + this.timeoutMs;
    const waiting: Waiting = { until, giveUp, before: undefined, behind: undefined };
    this.waiting.add(waiting);
    this.callOff ??= this.clock.after(this.timeoutMs, this.look);
    return waiting;
  }

  /** @returns false if the time was over */
  private leave(waiting: Waiting): boolean {
    const isAwaited = this.waiting.delete(waiting);
    if (this.waiting.first === undefined) {
      // A pending timer would keep the process alive.
      this.callOff?.();
      this.callOff = undefined;
    }
    return isAwaited;
  }

  private readonly look = (): void => {
    this.callOff = undefined;
    for (const waiting of this.waiting) {
      const restMs = waiting.until - this.clock.now();
      if (restMs > 0) {
        this.callOff = this.clock.after(restMs, this.look);
        return;
      }
      waiting.giveUp(new Error(`there was no answer within ${this.timeoutMs} ms`));
      this.waiting.delete(waiting);
    }
  };
}

/** Resolves when `promise` has settled, or after `timeoutMs`. */
export function atMost(clock: Clock, timeoutMs: number, promise: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const callOff = clock.after(timeoutMs, resolve);
    const settled = (): void => {
      callOff();
      resolve();
    };
    promise.then(settled, settled);
  });
}
