import type { Task } from '../task/task.js';
import { bytesOf } from './bytes-of.js';

/** How many dead letters are kept in memory. */
export interface FailedLimits {
  readonly count: number;
  readonly bytes: number;
  readonly ageMs: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

interface Entry {
  readonly bytes: number;
  readonly failedAt: number;
}

/** The dead letters in memory. They keep their arguments, so that they can be run again. */
export class FailedTasks {
  /** The oldest first. */
  private readonly entries = new Map<Task, Entry>();
  private bytes = 0;

  constructor(private readonly limits: FailedLimits) {}

  /** @returns the tasks that were displaced */
  push(task: Task): readonly Task[] {
    const bytes = bytesOf([task.args, task.outcome, task.progress]);
    this.entries.set(task, { bytes, failedAt: this.limits.now() });
    this.bytes += bytes;
    return this.trim();
  }

  has(task: Task): boolean {
    return this.entries.has(task);
  }

  remove(task: Task): boolean {
    this.bytes -= this.entries.get(task)?.bytes ?? 0;
    return this.entries.delete(task);
  }

  /** The latest first. */
  *[Symbol.iterator](): Generator<Task> {
    const oldestAt = this.limits.now() - this.limits.ageMs;
    for (const [task, { failedAt }] of [...this.entries].toReversed()) {
      if (failedAt < oldestAt) {
        return;
      }
      yield task;
    }
  }

  private trim(): readonly Task[] {
    const { count, bytes, ageMs, now } = this.limits;
    const oldestAt = now() - ageMs;
    const gone: Task[] = [];
    for (const [task, { failedAt }] of this.entries) {
      if (this.entries.size <= count && this.bytes <= bytes && failedAt >= oldestAt) {
        break;
      }
      this.remove(task);
      gone.push(task);
    }
    return gone;
  }
}
