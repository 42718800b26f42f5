import type { Clock } from '../../task/clock.js';

/**
 * `answer`, if it comes in time. What comes later is ignored, a rejection too.
 *
 * @throws Error where it does not
 */
export async function within<T>(clock: Clock, timeoutMs: number, answer: Promise<T>): Promise<T> {
  let callOff: (() => void) | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    callOff = clock.after(timeoutMs, () =>
      reject(new Error(`there was no answer within ${timeoutMs} ms`)),
    );
  });
  try {
    return await Promise.race([answer, timeout]);
  } finally {
    callOff?.();
  }
}
