interface Waiter {
  readonly isIdle: () => boolean;
  readonly resolve: () => void;
}

/** Those who wait for there to be nothing left to do, each with an idea of nothing of its own. */
export class Idleness {
  private waiters: readonly Waiter[] = [];

  /** Resolves when `isIdle()` first holds at a {@link check}, at once if it does already. */
  when(isIdle: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.waiters = [...this.waiters, { isIdle, resolve }];
      this.check();
    });
  }

  /** To be called whenever something has ended. */
  check(): void {
    // Asked after every task: the answer "no" must cost nothing.
    if (this.waiters.some(({ isIdle }) => isIdle())) {
      const idle = this.waiters.filter(({ isIdle }) => isIdle());
      this.waiters = this.waiters.filter((waiter) => !idle.includes(waiter));
      idle.forEach(({ resolve }) => resolve());
    }
  }
}
