import { wholeMs } from '../task/clock.js';
import { shownOutcome } from '../task/outcome.js';
import { cursorOf, type Position } from '../task/position.js';
import type { TaskInfo } from '../task/task-info.js';
import type { Task } from '../task/task.js';

/** A snapshot of the task. */
export function describeTask(task: Task): TaskInfo {
  const { id, name, queue, status, settings, args, attempts, startedAt, outcome } = task;
  const failedAt = failedAtOf(task);
  return Object.freeze({
    id,
    name,
    queue,
    status,
    priority: settings.priority,
    args,
    attempts,
    maxAttempts: task.maxAttempts,
    addedAt: wholeMs(task.addedAt),
    startedAt: startedAt && wholeMs(startedAt),
    settledAt: failedAt && wholeMs(failedAt),
    cursor: failedAt === undefined ? undefined : cursorOf({ at: failedAt, id }),
    progress: task.progress,
    result: outcome?.status === 'completed' ? outcome.result : undefined,
    logs: task.logs?.all ?? [],
    outcome: outcome && shownOutcome(outcome),
  });
}

/** The place of a failed task among the others, as its cursor tells it. */
export function placeOf(task: Task): Position {
  return { at: Math.floor((failedAtOf(task) ?? 0) * 1_000) / 1_000, id: task.id };
}

/** Milliseconds since the epoch; `undefined` unless the task has failed for good. */
function failedAtOf({ outcome, startedAt, addedAt }: Task): number | undefined {
  return outcome?.status === 'failed' ? (startedAt ?? addedAt) + outcome.durationMs : undefined;
}
