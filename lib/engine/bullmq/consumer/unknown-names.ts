import type { LoggerService } from '@nestjs/common';

/** How long a task that is not known here is left to the other processes at first, in milliseconds. */
const FIRST_MS = 100;

/** Stored tasks that no method here has the name of: a newer version may know them. */
export class UnknownNames {
  private readonly reported = new Set<string>();

  constructor(
    private readonly label: string,
    private readonly logger: LoggerService,
    private readonly longestMs = 30_000,
  ) {}

  /**
   * How long such a task waits before it is offered again, to any process: at first not long, since
   * another may know it.
   *
   * @param times how often it has been offered
   */
  lookAgainMs(times: number): number {
    return Math.min(this.longestMs, Math.round(FIRST_MS * 1.5 ** (times - 1)));
  }

  /** A task that cannot be made again here: other arguments, another serializer, a queue that has gone. */
  unreadable(name: string, id: string, queue: string, error: unknown): void {
    this.logger.error(
      `${this.label} has a task "${name}" (${id}) in queue "${queue}" that cannot be made again here: ` +
        `${String(error)}. It is kept, and tried again, after a while every ${this.longestMs / 1_000} s.`,
    );
  }

  report(name: string, queue: string): void {
    if (!this.reported.has(name)) {
      this.reported.add(name);
      this.logger.error(
        `${this.label} has tasks named "${name}" in queue "${queue}" that cannot be run here: no ` +
          '@Background() method has that name, or a newer version has stored them. They are kept, and ' +
          `tried again, after a while every ${this.longestMs / 1_000} s. If the method was renamed, give it ` +
          '{ aliases }.',
      );
    }
  }
}
