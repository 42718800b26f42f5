import type { QueueState } from '../engine/engine.js';
import type { TaskFigures, TaskStats } from '../observe/task-stats.js';

/** The figures of one queue. */
export interface QueueFigures extends TaskFigures {
  /** How long the oldest task that waits for a slot has waited, in milliseconds. */
  readonly oldestPendingAgeMs: number | undefined;
  /** Whether `TaskRunner.pause()` keeps the queue's tasks from starting. */
  readonly isPaused: boolean;
}

/** The figures of `TaskRunner.stats()`. */
export interface TaskStatistics {
  /** By queue; includes every configured queue. */
  readonly queues: Readonly<Record<string, QueueFigures>>;
  /** By task name; beyond 200 names, the rest are counted together as `(other)`. */
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
      // Only the store knows what other processes run, and what waits for any process.
      ...(isShared === true ? { running, pending } : {}),
      oldestPendingAgeMs: oldestAddedAt === undefined ? undefined : now - oldestAddedAt,
      isPaused,
    };
  }
  return { queues, tasks: stats.ofNames() };
}
