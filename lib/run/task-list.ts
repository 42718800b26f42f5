import type { Engine, SharedStore } from '../engine/engine.js';
import { describeTask } from '../observe/describe-task.js';
import type { TaskInfo } from '../task/task-info.js';
import type { TaskRecords } from '../observe/task-records.js';
import { checkCount, checkOneOf, checkShape, checkString, type Shape } from '../options/checks.js';
import type { ResolvedOptions } from '../options/resolved-options.js';
import type { Outcome, TaskStatus } from '../task/outcome.js';
import type { Task } from '../task/task.js';

/** Which tasks `TaskRunner.list()` returns: those that fit everything given. */
export interface TaskFilter {
  /** Where they stand. @default any */
  status?: TaskStatus;
  /** What they are called, in full. @default any */
  name?: string;
  /** Which queue they are in. @default any */
  queue?: string;
  /** How many at most. @default 100 */
  limit?: number;
}

/** Who knows of which tasks: together, of all that there are. */
export interface TaskSources {
  /** What has been released and not settled. */
  readonly engine: Engine;
  /** What waits for a response. */
  readonly requests: { collected(): Iterable<Task> };
  /** What has settled. */
  readonly records: TaskRecords;
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
  sources: TaskSources,
  options: ResolvedOptions,
): Promise<TaskInfo[]> {
  checkShape<TaskFilter>(filter, 'filter', FILTER_SHAPE);
  options.requireQueue(filter.queue);
  const { status, name, queue, limit = DEFAULT_LIMIT } = filter;
  // Where no store has to be asked, the answer is how things stand at this moment.
  const { shared } = sources.engine;
  const found: TaskInfo[] =
    shared === undefined ? [] : await shared.list({ status, name, queue, limit });
  const known = new Set(found.map(({ id }) => id));
  const failedHere = new Map<string, string>();
  for (const task of candidates(status, sources)) {
    if (found.length >= limit) {
      break;
    }
    const fits =
      (status === undefined || task.status === status) &&
      (name === undefined || task.name === name) &&
      (queue === undefined || task.queue === queue);
    if (fits && (known.size === 0 || !known.has(task.id))) {
      found.push(describeTask(task));
      if (task.isFromStore && task.status === 'failed') {
        failedHere.set(task.id, task.queue);
      }
    }
  }
  return shared === undefined || status === undefined || failedHere.size === 0
    ? found
    : withoutRetried(found, failedHere, shared);
}

/** What failed here, and was retried in the store since, is not what this process remembers any more. */
async function withoutRetried(
  found: readonly TaskInfo[],
  failedHere: ReadonlyMap<string, string>,
  shared: SharedStore,
): Promise<TaskInfo[]> {
  const now = await Promise.all(Array.from(failedHere, ([id, queue]) => shared.find(id, queue)));
  const retried = new Set(now.flatMap((info) => (info && info.status !== 'failed' ? info.id : [])));
  return found.filter(({ id }) => !retried.has(id));
}

export async function countTasks(
  queue: string | undefined,
  sources: TaskSources,
): Promise<Record<TaskStatus, number>> {
  const none = [...HELD, ...SETTLED].map((status) => [status, 0] as const);
  const counts = Object.fromEntries(none) as Record<TaskStatus, number>;
  const stored =
    sources.engine.shared === undefined ? undefined : await sources.engine.shared.counts(queue);
  for (const ofQueue of stored?.values() ?? []) {
    for (const [status, count = 0] of Object.entries(ofQueue)) {
      counts[status as TaskStatus] += count;
    }
  }
  for (const task of candidates(undefined, sources)) {
    const isStored = task.isFromStore && stored?.has(task.queue) === true;
    if (!isStored && (queue === undefined || task.queue === queue)) {
      counts[task.status] += 1;
    }
  }
  return counts;
}

function* candidates(
  status: TaskStatus | undefined,
  { engine, requests, records }: TaskSources,
): Generator<Task> {
  if (status === undefined || !isSettled(status)) {
    yield* engine.tasks();
    yield* requests.collected();
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
