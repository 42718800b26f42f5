import type { Clock } from '../task/clock.js';
import { LinkedList, type Linked } from '../task/linked-list.js';

/** Called once, maybe before `ask()` returns. */
export type Answer = (error?: Error) => void;

interface Waiting extends Linked<Waiting> {
  /** Milliseconds since the epoch. */
  readonly until: number;
  readonly giveUp: (error: Error) => void;
}

/** Waits for answers, for so long each, with one timer for all of them. */
export class Patience {
  /** In the order in which they run out. */
  private readonly waiting = new LinkedList<Waiting>();
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
   * Asks, and resolves with the answer, if it comes in time. What comes later is ignored.
   *
   * @param conclude told how it ended, before anybody else; an error is what it makes of it
   * @throws Error where there is none in time, or what was answered
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

  /** @returns whether it was still waited for */
  private leave(waiting: Waiting): boolean {
    const isAwaited = this.waiting.delete(waiting);
    if (this.waiting.first === undefined) {
      // A timer would keep the process from ending.
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

/** Resolves when `promise` has settled, and no later than after `timeoutMs`. */
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
