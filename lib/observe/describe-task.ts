import { wholeMs } from '../task/clock.js';
import { shownOutcome } from '../task/outcome.js';
import type { TaskInfo } from '../task/task-info.js';
import type { Task } from '../task/task.js';

/** The task as it stands. */
export function describeTask(task: Task): TaskInfo {
  const { id, name, queue, status, settings, args, attempts, startedAt, outcome } = task;
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
    progress: task.progress,
    logs: task.logs?.all ?? [],
    outcome: outcome && shownOutcome(outcome),
  });
}
