import type { LoggerService } from '@nestjs/common';
import { StoreUnavailableError } from '../errors/storage.errors.js';

/** The log lines about schedules. */
export class ScheduleLog {
  private readonly failing = new Set<object>();

  constructor(private readonly logger: LoggerService) {}

  tickFailed(name: string, error: unknown): void {
    this.logger.warn(`Schedule "${name}" could not add the task of a tick: ${messageOf(error)}`);
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
    const done = {
      skip: 'They are skipped',
      once: 'One task stands for them all',
      all: 'Each has its task',
    }[policy];
    this.logger.log(
      `Schedule "${name}" missed ${count} ticks while no process had it. ${done} (missed: '${policy}').`,
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
