import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import type { Engine } from '../engine/engine.js';
import { inOrder, isWithin, type FailedQuery, type TaskQuery } from '../engine/kept-tasks.js';
import { InvalidOptionError } from '../errors/misuse.errors.js';
import { describeTask, placeOf } from '../observe/describe-task.js';
import type { TaskInfo } from '../task/task-info.js';
import type { TaskRecords } from '../observe/task-records.js';
import { checkCount, checkOneOf, checkShape, checkString, type Shape } from '../options/checks.js';
import type { ResolvedOptions } from '../options/resolved-options.js';
import { compare, errorFits, positionIn } from '../task/position.js';
import type { TaskStatus } from '../task/outcome.js';
import type { Task } from '../task/task.js';

/** The filter of `TaskRunner.list()`: tasks that match all given fields. */
export interface TaskFilter {
  /** The status of the tasks. @default any */
  status?: TaskStatus | undefined;
  /** The full name of the tasks. @default any */
  name?: string | undefined;
  /** The queue of the tasks. @default any */
  queue?: string | undefined;
  /** For failed tasks: the time before which they failed, in milliseconds since the epoch. @default any */
  before?: number | undefined;
  /** For failed tasks: the `code` or `name` of the error, or a part of its message. @default any */
  error?: string | undefined;
  /**
   * For failed tasks: the `cursor` of the last task of the previous page; the page behind it is
   * listed.
   * @default the first page
   */
  after?: string | undefined;
  /** The maximum number of tasks. @default 100 */
  limit?: number | undefined;
}

/**
 * The filter of `TaskRunner.retryAll()` and `forgetAll()`.
 *
 * @inline
 */
export type FailedFilter = Pick<TaskFilter, 'name' | 'queue' | 'before' | 'error'>;

/** Where tasks are found: together, the sources know all of them. */
export interface TaskSources {
  /** Knows the tasks that are released and unsettled. */
  readonly engine: Engine;
  /** Knows the tasks that wait for a response. */
  readonly requests: { collected(): Iterable<Task> };
  /** Knows the settled tasks. */
  readonly records: TaskRecords;
}

const DEFAULT_LIMIT = 100;
/** How many tasks are looked at before the event loop gets its turn. */
const SLICE = 500;
const HELD = ['collected', 'queued', 'delayed', 'running', 'retrying'] as const;
const SETTLED = ['completed', 'failed', 'cancelled', 'dropped', 'abandoned'] as const;

const FAILED_SHAPE: Shape<FailedFilter> = {
  name: checkString,
  queue: checkString,
  before: checkTime,
  error: checkString,
};
const FILTER_SHAPE: Shape<TaskFilter> = {
  ...FAILED_SHAPE,
  status: checkOneOf(...HELD, ...SETTLED),
  after: checkCursor,
  limit: checkCount,
};

export async function listTasks(
  filter: TaskFilter,
  sources: TaskSources,
  options: ResolvedOptions,
): Promise<TaskInfo[]> {
  checkShape<TaskFilter>(filter, 'filter', FILTER_SHAPE);
  options.requireQueue(filter.queue);
  const { status, name, queue, before, error, after, limit = DEFAULT_LIMIT } = filter;
  if (status === 'failed') {
    const position = after === undefined ? undefined : positionIn(after);
    const failed = { before, error, after: position, isOldestFirst: false };
    return listFailed({ status, name, queue, limit, failed }, sources);
  }
  for (const [key, value] of Object.entries({ before, error, after })) {
    if (value !== undefined) {
      throw new InvalidOptionError(`filter.${key}`, "needs status: 'failed'.");
    }
  }
  // Without a store to ask, the list is a snapshot of this moment.
  const { kept } = sources.engine;
  const isShared = kept?.cancel !== undefined;
  const query = { status, name, queue, limit };
  const found: TaskInfo[] = isShared ? await kept.list(query) : [];
  const known = new Set(found.map(({ id }) => id));
  for (const task of candidates(status, sources)) {
    if (found.length >= limit) {
      break;
    }
    if (fits(task, query) && (known.size === 0 || !known.has(task.id))) {
      found.push(describeTask(task));
    }
  }
  return !isShared && status === undefined && found.length < limit
    ? [...found, ...((await kept?.list({ ...query, limit: limit - found.length })) ?? [])]
    : found;
}

/** @throws UnknownOptionError, InvalidOptionError, UnknownQueueError */
export function checkFailedFilter(filter: FailedFilter, options: ResolvedOptions): void {
  checkShape<FailedFilter>(filter, 'filter', FAILED_SHAPE);
  options.requireQueue(filter.queue);
}

export type FailedTasksQuery = TaskQuery & { readonly failed: FailedQuery };

/** Failed tasks in the order of failure, both from stores and from the memory of this process. */
export async function listFailed(
  query: FailedTasksQuery,
  { engine, records }: TaskSources,
): Promise<TaskInfo[]> {
  const { failed, limit } = query;
  const kept = engine.kept === undefined ? [] : await engine.kept.list(query);
  // For a stored task only the store counts: another process may have retried it.
  const fitting = [...records.of('failed')]
    .filter((task) => !task.isFromStore && fits(task, query))
    .map((task) => ({ task, place: placeOf(task) }))
    .filter(({ place }) => isWithin(place, failed))
    .toSorted((a, b) => (failed.isOldestFirst ? 1 : -1) * compare(a.place, b.place));
  const here: TaskInfo[] = [];
  for (const [index, { task }] of fitting.entries()) {
    if (here.length >= limit) {
      break;
    }
    // To describe a task takes long: the text of its error is cut and escaped.
    const info = describeTask(task);
    if (errorFits(info, failed.error)) {
      here.push(info);
    }
    if (index % SLICE === SLICE - 1) {
      await turnOfTheLoop();
    }
  }
  return here.length === 0 ? kept : inOrder([...kept, ...here], query).slice(0, limit);
}

function fits(task: Task, { status, name, queue }: TaskQuery): boolean {
  return (
    (status === undefined || task.status === status) &&
    (name === undefined || task.name === name) &&
    (queue === undefined || task.queue === queue)
  );
}

function checkTime(value: unknown, path: string): void {
  if (!Number.isFinite(value)) {
    throw new InvalidOptionError(path, 'expected milliseconds since the epoch: Date.now().');
  }
}

function checkCursor(value: unknown, path: string): void {
  if (typeof value !== 'string' || positionIn(value) === undefined) {
    throw new InvalidOptionError(path, 'expected the cursor of a listed task.');
  }
}

export async function countTasks(
  queue: string | undefined,
  sources: TaskSources,
): Promise<Record<TaskStatus, number>> {
  const none = [...HELD, ...SETTLED].map((status) => [status, 0] as const);
  const counts = Object.fromEntries(none) as Record<TaskStatus, number>;
  const stored = await sources.engine.kept?.counts(queue);
  for (const ofQueue of stored?.values() ?? []) {
    for (const [status, count = 0] of Object.entries(ofQueue)) {
      counts[status as TaskStatus] += count;
    }
  }
  for (const task of candidates(undefined, sources)) {
    const isStored = task.isFromStore && stored?.get(task.queue)?.queued !== undefined;
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
  if (status === undefined || !(SETTLED as readonly string[]).includes(status)) {
    yield* engine.tasks();
    yield* requests.collected();
  }
  for (const each of SETTLED) {
    if (status === undefined || status === each) {
      yield* records.of(each);
    }
  }
}
