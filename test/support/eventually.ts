import { setTimeout as pause } from 'node:timers/promises';

/** Resolves once `check` no longer throws, or rejects with its error after a minute. */
export async function eventually(check: () => unknown): Promise<void> {
  const giveUpAt = Date.now() + 60_000;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (Date.now() > giveUpAt) {
        throw error;
      }
      await pause(10);
    }
  }
}
