/** Milliseconds since the epoch with fractions: comparable across client, server and task events. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Holds whoever waits for it until a test says go. */
export class Gate {
  readonly opened: Promise<void>;
  private resolve!: () => void;

  constructor() {
    this.opened = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }

  readonly open = (): void => this.resolve();
}
