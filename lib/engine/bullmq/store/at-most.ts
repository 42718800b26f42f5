import type { Clock } from '../../../task/clock.js';

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
