import type { TaskInfo } from '../task/task-info.js';
import type { Task } from '../task/task.js';

/** The task as it stands. */
export function describeTask(task: Task): TaskInfo {
  const { id, name, queue, status, settings, args, attempts, addedAt, outcome } = task;
  return Object.freeze({
    id,
    name,
    queue,
    status,
    priority: settings.priority,
    args,
    attempts,
    maxAttempts: settings.retry.attempts,
    addedAt,
    startedAt: task.startedAt,
    progress: task.progress,
    logs: task.logs?.all ?? [],
    outcome,
  });
}
