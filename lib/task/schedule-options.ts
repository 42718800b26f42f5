import type { Duration } from './duration.js';

/**
 * When a schedule ticks: either `cron` or `every`.
 *
 * @inline
 */
export interface ScheduleTiming {
  /**
   * A cron expression of five fields, or of six with seconds first: `'0 3 * * *'` is three o'clock
   * every night. It needs the package `croner`.
   * @default none
   */
  cron?: string | undefined;
  /** The time zone of `cron`. @default that of the process */
  timeZone?: string | undefined;
  /** A tick at each multiple of this span, counted from the epoch: `'5m'` ticks at :00, :05, :10. @default none */
  every?: Duration | undefined;
}

/** A schedule: at each of its ticks one task is added. */
export interface ScheduleOptions extends ScheduleTiming {
  /**
   * What happens to ticks that fell due while no process with this schedule ran: they are skipped,
   * one task is added for them all, or each is added, 1,000 at most. Only for queues with a durable
   * engine.
   * @default 'skip'
   */
  missed?: 'skip' | 'once' | 'all' | undefined;
  /** Whether a tick adds a task while the task of an earlier tick has not settled. @default 'skip' */
  overlap?: 'skip' | 'allow' | undefined;
}

/** A schedule as `TaskRunner.listSchedules()` shows it. Times are milliseconds since the epoch. */
export interface ScheduleInfo extends ScheduleOptions {
  /** The name of the schedule. */
  readonly name: string;
  /** The queue that its tasks go to. */
  readonly queue: string;
  /** The time of the next tick; `undefined` if there is none. */
  readonly nextAt: number | undefined;
}
