import type { Engine } from '../engine/engine.js';
import { describeTask, type TaskInfo } from '../observe/task-info.js';
import type { TaskRecords } from '../observe/task-records.js';
import { checkCount, checkOneOf, checkShape, checkString, type Shape } from '../options/checks.js';
import type { ResolvedOptions } from '../options/resolved-options.js';
import type { Outcome, TaskStatus } from '../task/outcome.js';
import type { Task } from '../task/task.js';

/** Which tasks `TaskRunner.list()` returns: those that fit everything given. */
export interface TaskFilter {
  status?: TaskStatus;
  name?: string;
  queue?: string;
  /** How many at most. @default 100 */
  limit?: number;
}

const DEFAULT_LIMIT = 100;
const HELD = ['collected', 'queued', 'delayed', 'running', 'retrying'] as const;
const SETTLED = ['completed', 'failed', 'cancelled', 'dropped', 'abandoned'] as const;

const FILTER_SHAPE: Shape<TaskFilter> = {
  status: checkOneOf(...HELD, ...SETTLED),
  name: checkString,
  queue: checkString,
  limit: checkCount,
};

export async function listTasks(
  filter: TaskFilter,
  engine: Engine,
  records: TaskRecords,
  options: ResolvedOptions,
): Promise<TaskInfo[]> {
  checkShape<TaskFilter>(filter, '', FILTER_SHAPE);
  options.requireQueue(filter.queue);
  const { status, name, queue, limit = DEFAULT_LIMIT } = filter;
  // Where no store has to be asked, the answer is how things stand at this moment.
  const found: TaskInfo[] =
    engine.shared === undefined ? [] : await engine.shared.list({ status, name, queue, limit });
  const known = new Set(found.map(({ id }) => id));
  for (const task of candidates(status, engine, records)) {
    if (found.length >= limit) {
      break;
    }
    const fits =
      (status === undefined || task.status === status) &&
      (name === undefined || task.name === name) &&
      (queue === undefined || task.queue === queue);
    if (fits && (known.size === 0 || !known.has(task.id))) {
      found.push(describeTask(task));
    }
  }
  return found;
}

export async function countTasks(
  queue: string | undefined,
  engine: Engine,
  records: TaskRecords,
): Promise<Record<TaskStatus, number>> {
  const none = [...HELD, ...SETTLED].map((status) => [status, 0] as const);
  const counts = Object.fromEntries(none) as Record<TaskStatus, number>;
  const stored = engine.shared === undefined ? undefined : await engine.shared.counts(queue);
  for (const ofQueue of stored?.values() ?? []) {
    for (const [status, count = 0] of Object.entries(ofQueue)) {
      counts[status as TaskStatus] += count;
    }
  }
  for (const task of candidates(undefined, engine, records)) {
    const isStored = task.isFromStore && stored?.has(task.queue) === true;
    if (!isStored && (queue === undefined || task.queue === queue)) {
      counts[task.status] += 1;
    }
  }
  return counts;
}

function* candidates(
  status: TaskStatus | undefined,
  engine: Engine,
  records: TaskRecords,
): Generator<Task> {
  if (status === undefined || !isSettled(status)) {
    yield* engine.tasks();
  }
  for (const each of SETTLED) {
    if (status === undefined || status === each) {
      yield* records.of(each);
    }
  }
}

function isSettled(status: TaskStatus): status is Outcome['status'] {
  return (SETTLED as readonly string[]).includes(status);
}
