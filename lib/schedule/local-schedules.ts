import { AsyncResource } from 'node:async_hooks';
import type { Clock } from '../task/clock.js';
import type { Task } from '../task/task.js';
import type { Schedule } from './schedule.js';

/** Schedules that tick in this process only, and end with it. */
export class LocalSchedules {
  private readonly schedules = new Map<string, Schedule>();
  private readonly timers = new Map<string, () => void>();
  private isStarted = false;
  /** Otherwise a schedule that a request adds would keep that request's context alive. */
  private readonly outside = new AsyncResource('Schedules', { requireManualDestroy: true });

  constructor(
    private readonly clock: Clock,
    /** Adds the task of a tick, and reports a task that cannot be added. */
    private readonly add: (name: string, task: () => Task) => void,
  ) {}

  put(schedule: Schedule): void {
    this.remove(schedule.name);
    this.schedules.set(schedule.name, schedule);
    if (this.isStarted) {
      this.wait(schedule, this.clock.wall());
    }
  }

  remove(name: string): boolean {
    this.timers.get(name)?.();
    this.timers.delete(name);
    return this.schedules.delete(name);
  }

  all(): Iterable<Schedule> {
    return this.schedules.values();
  }

  start(): void {
    this.isStarted = true;
    const now = this.clock.wall();
    this.schedules.forEach((schedule) => this.wait(schedule, now));
  }

  stop(): void {
    this.isStarted = false;
    this.timers.forEach((callOff) => callOff());
    this.timers.clear();
  }

  private wait(schedule: Schedule, afterMs: number): void {
    const { name, timing, makeTask } = schedule;
    const tick = timing.after(afterMs);
    if (tick === undefined) {
      return;
    }
    const callOff = this.outside.runInAsyncScope(() =>
      this.clock.at(tick, () => {
        const now = this.clock.wall();
        const isDue = now > tick - 1; // otherwise the clock was set back, maybe by years
        // The next wait is set first. A clock that was set forward skips the ticks between; one
        // that was set back a little repeats none.
        this.wait(schedule, isDue ? Math.max(tick, now) : now);
        if (isDue) {
          this.add(name, makeTask);
        }
      }),
    );
    this.timers.set(name, callOff);
  }
}
