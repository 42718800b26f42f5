import type { ScheduleOptions } from '../task/schedule-options.js';
import type { Task } from '../task/task.js';
import type { Timing } from './timing.js';

/** One schedule of this application. */
export interface Schedule {
  readonly name: string;
  readonly queue: string;
  readonly options: ScheduleOptions;
  readonly timing: Timing;
  /** The task of one tick, not added yet. */
  readonly makeTask: () => Task;
}

/** A dedupe key: as long as one tick's task has not settled, the next one's is a duplicate of it. */
export function overlapKey(name: string): string {
  return `schedule ${name}`;
}
