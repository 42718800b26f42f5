import type { QueueState } from '../engine/engine.js';
import type { TaskFigures, TaskStats } from '../observe/task-stats.js';

/** The figures of one queue. */
export interface QueueFigures extends TaskFigures {
  /** How long the oldest of the tasks that wait for a slot has waited, in milliseconds. */
  readonly oldestPendingAgeMs: number | undefined;
  /** Whether `TaskRunner.pause()` keeps its tasks from starting. */
  readonly isPaused: boolean;
}

/** The figures of `TaskRunner.stats()`. */
export interface TaskStatistics {
  /** By queue; every configured queue is there. */
  readonly queues: Readonly<Record<string, QueueFigures>>;
  /** By task name; past 200 names the others are counted together as `(other)`. */
  readonly tasks: Readonly<Record<string, TaskFigures>>;
}

export function statisticsOf(
  stats: TaskStats,
  states: Iterable<QueueState>,
  now: number,
): TaskStatistics {
  const queues: Record<string, QueueFigures> = {};
  for (const { queue, running, pending, oldestAddedAt, isPaused, isShared } of states) {
    queues[queue] = {
      ...stats.ofQueue(queue),
      // What other processes run, and what waits for any of them, only the store can tell.
      ...(isShared === true ? { running, pending } : {}),
      oldestPendingAgeMs: oldestAddedAt === undefined ? undefined : now - oldestAddedAt,
      isPaused,
    };
  }
  return { queues, tasks: stats.ofNames() };
}
