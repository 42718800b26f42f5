import type { LoggerService } from '@nestjs/common';
import { StoreUnavailableError } from '../errors/storage.errors.js';
import { MOST_TICKS } from './timing.js';

/** The log lines about schedules. */
export class ScheduleLog {
  private readonly failing = new Set<object>();

  constructor(
    private readonly logger: LoggerService,
    /** Calls `tell` for the first event of a kind, and later with the number of those since. */
    private readonly inMasses: (kind: string, tell: (count: number) => void) => void,
  ) {}

  /** A queue that is full fails each tick. */
  tickFailed(name: string, error: unknown): void {
    this.inMasses(`tick ${name}`, (count) => {
      const ticks =
        count === 1 ? 'a tick' : `a tick, and of ${count - 1} more since the previous line`;
      this.logger.warn(
        `Schedule "${name}" could not add the task of ${ticks}: ${messageOf(error)}`,
      );
    });
  }

  isOver(name: string, cron: string): void {
    this.logger.warn(`Schedule "${name}" has no tick to come: '${cron}' lies in the past.`);
  }

  /** Logged once for each store, until it answers again. */
  storeFailed(store: object, error: unknown): void {
    if (!this.failing.has(store)) {
      this.failing.add(store);
      this.logger.warn(
        `Schedules wait, because their store does not answer: ${messageOf(causeOf(error))}. ` +
          'Ticks that fall due meanwhile are made when it answers again.',
      );
    }
  }

  storeRecovered(store: object): void {
    if (this.failing.delete(store)) {
      this.logger.log('Schedules go on: their store answers again.');
    }
  }

  ticksMissed(name: string, count: number, policy: 'skip' | 'once' | 'all'): void {
    const isMore = count === MOST_TICKS;
    const done = {
      skip: 'They are skipped',
      once: 'One task stands for them all',
      all: isMore ? `The first ${count} have their task` : 'Each has its task',
    }[policy];
    this.logger.log(
      `Schedule "${name}" missed ${count} ${isMore ? 'or more ' : ''}ticks while no process had it. ${done} (missed: '${policy}').`,
    );
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** That a store did not answer is in the sentence already. */
function causeOf(error: unknown): unknown {
  return error instanceof StoreUnavailableError ? error.cause : error;
}
