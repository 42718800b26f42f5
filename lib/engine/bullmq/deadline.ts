import type { Clock } from '../../task/clock.js';

/** Time that somebody has for several steps. */
export class Deadline {
  isOver = false;
  private readonly expired: Promise<never>;
  private readonly callOff: () => void;

  constructor(clock: Clock, timeoutMs: number) {
    let callOff: (() => void) | undefined;
    this.expired = new Promise<never>((_resolve, reject) => {
      callOff = clock.after(timeoutMs, () => {
        this.isOver = true;
        reject(new Error(`No answer within ${timeoutMs} ms.`));
      });
    });
    // Nobody may be waiting when it expires.
    this.expired.catch(() => undefined);
    this.callOff = () => callOff?.();
  }

  /** @throws Error when the time is up first */
  within<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.expired]);
  }

  met(): void {
    this.callOff();
  }
}

/** Resolves when `promise` has settled, and no later than after `timeoutMs`. */
export async function atMost(
  clock: Clock,
  timeoutMs: number,
  promise: Promise<unknown>,
): Promise<void> {
  const deadline = new Deadline(clock, timeoutMs);
  try {
    await deadline.within(promise);
  } catch {
    // Nobody waits any longer, or there is nothing to wait for.
  } finally {
    deadline.met();
  }
}
