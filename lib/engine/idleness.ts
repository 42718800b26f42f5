interface Waiter {
  readonly isIdle: () => boolean;
  readonly resolve: () => void;
}

/** Callers that wait for idleness, each with its own condition. */
export class Idleness {
  private waiters: readonly Waiter[] = [];

  /** Resolves at the first {@link check} at which `isIdle()` holds, or at once. */
  when(isIdle: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.waiters = [...this.waiters, { isIdle, resolve }];
      this.check();
    });
  }

  /** Call it whenever something has ended. */
  check(): void {
    // Runs after every task, so a "no" must be cheap: no array.
    if (this.waiters.some(({ isIdle }) => isIdle())) {
      const idle = this.waiters.filter(({ isIdle }) => isIdle());
      this.waiters = this.waiters.filter((waiter) => !idle.includes(waiter));
      idle.forEach(({ resolve }) => resolve());
    }
  }
}
