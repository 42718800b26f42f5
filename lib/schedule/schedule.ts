import type { ScheduleOptions } from '../task/schedule-options.js';
import type { Task } from '../task/task.js';
import type { Timing } from './timing.js';

export interface Schedule {
  readonly name: string;
  readonly queue: string;
  readonly options: ScheduleOptions;
  readonly timing: Timing;
  /** Makes the task of one tick, without adding it. */
  readonly makeTask: () => Task;
}

/** A dedupe key: until the task of a tick settles, the task of the next tick is its duplicate. */
export function overlapKey(name: string): string {
  return `schedule ${name}`;
}
