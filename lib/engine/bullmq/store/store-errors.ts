import type { LoggerService } from '@nestjs/common';
import { MissingPeerError } from '../../../errors/missing-peer.error.js';
import type { Clock } from '../../../task/clock.js';

/** Waits between attempts to reach a store, in milliseconds. */
const AGAIN_MS = 1_000;

/** How long the same trouble of a store is not mentioned again, in milliseconds. */
const QUIET_MS = 10_000;

/**
 * What a store's connections complain about. Every one of them does while the store is down, several
 * times a second: it is said once, and again when it goes on.
 */
export class ErrorLog {
  private readonly saidAt = new Map<string, number>();
  private isDown = false;

  constructor(
    private readonly label: string,
    private readonly logger: LoggerService,
  ) {}

  readonly report = (error: unknown): void => {
    const text = describeError(error);
    const now = Date.now();
    this.isDown = true;
    if (now - (this.saidAt.get(text) ?? 0) >= QUIET_MS) {
      this.saidAt.clear();
      this.saidAt.set(text, now);
      this.logger.error(`${this.label}: ${text}`);
    }
  };

  readonly recovered = (): void => {
    if (this.isDown) {
      this.isDown = false;
      this.saidAt.clear();
      this.logger.log(`${this.label}: connected`);
    }
  };
}

/** The message of an error with several causes (one for each address of a host) is empty. */
function describeError(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(describeError).join('; ');
  }
  return error instanceof Error ? error.message : String(error);
}

/** For the `catch` of an import of an optional peer. */
export function missing(peer: string): (error: unknown) => never {
  return (error) => {
    throw new MissingPeerError('nestjs-background-tasks/bullmq', [peer], { cause: error });
  };
}

/** Whether it was the store that refused, by a code of BullMQ's: not the way to it. */
export function isAnswer(error: unknown): boolean {
  return typeof (error as { code?: unknown } | null)?.code === 'number';
}

/** PostgreSQL's answer to who connects while it starts or stops: `cannot_connect_now`. */
const CANNOT_CONNECT_NOW = '57P03';

/** Whether a command cannot have arrived, because there was nobody to connect to. */
export function isUnsent(error: unknown): boolean {
  const { syscall, code } = (error ?? {}) as { syscall?: unknown; code?: unknown };
  return syscall === 'connect' || code === CANNOT_CONNECT_NOW;
}

/** Asks a store again until it has answered, or the process closes. */
export class Persistence {
  private isClosed = false;

  constructor(private readonly clock: Clock) {}

  /** @throws what the store says against it, or why it was not reached at last */
  async untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (this.isClosed || isAnswer(error)) {
          throw error;
        }
        await new Promise<void>((done) => void this.clock.after(AGAIN_MS, done));
      }
    }
  }

  close(): void {
    this.isClosed = true;
  }
}
