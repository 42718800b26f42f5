import { createHash } from 'node:crypto';
import type { FlowJobEntry, Job, JobJson, JobsOptions, Queue, Worker } from 'bullmq';
import { wholeMs } from '../../../task/clock.js';
import type { StoredCall, StoredTask, Waits } from '../../../task/stored-call.js';
import type { Priority } from '../../../task/task-options.js';
import type { Task } from '../../../task/task.js';
import { isStorable, endIn, failedEnd, type StoredEnd } from './stored-end.js';

/** Another task's job. */
export interface JobLink {
  readonly queue: string;
  readonly id: string;
}

/**
 * What a job holds. A change of its meaning needs a new {@link FORMAT}.
 *
 * The tasks of a line are linked, each to the ones after it: whoever ends one releases the next. They
 * are no flow of BullMQ's, because a flow cannot be joined later, loses a parent whose child turns
 * out to be a duplicate, and knows failed children but no dropped ones.
 */
export interface JobData {
  readonly v: number;
  /** The arguments of a call of which there is no more to say, serialised. */
  readonly args?: string;
  /** A {@link StoredCall} as text, where there is: PostgreSQL's JSON refuses some characters that it may hold. */
  readonly call?: string;
  /** The process that added it. */
  readonly by: string;
  readonly addedAt: number;
  readonly delayMs?: number;
  /** As the policy had it when the task was added, for those who only look. */
  readonly maxAttempts?: number;
  /** The one after it in its line: released when it ends. */
  readonly next?: JobLink;
  /** The one before it in its line: it does not start unless that one has settled. */
  readonly prior?: JobLink;
  /** The one before it in its chain: it does not run unless that one has completed. */
  readonly needs?: JobLink;
  /** What it is needed for may be added later: it is not removed without a word. */
  readonly isInChain?: boolean;
  /** Claimed when it may run: a task that is only held takes no other task's key. */
  readonly dedupe?: string;
  /** Another task had its key when it was released: it ends when its turn comes. */
  readonly isDuplicate?: boolean;
  readonly isCancelled?: boolean;
  /** How many of its attempts asked to wait, if any did. */
  readonly waits?: Waits;
  /** What it needs is not in the store, and has not completed: it does not run. */
  readonly isBroken?: boolean;
  readonly end?: StoredEnd;
  /** Its last start, once its process had died, was made with nothing beside it. */
  readonly isLastAlone?: boolean;
  /** How often it had been found running by a dead worker when somebody retried it by hand. */
  readonly forgivenStarts?: number;
}

export type TaskJob = Job<JobData, StoredEnd>;
export type JobQueue = Queue<JobData, StoredEnd>;
export type JobWorker = Worker<JobData, StoredEnd>;

/** What this version of the library reads and writes. */
export const FORMAT = 1;

/** BullMQ serves 0 before all others, then 1, 2, … */
const PRIORITIES: Record<Priority, number> = { high: 0, normal: 1, low: 2 };

export function priorityOf(job: Pick<TaskJob, 'priority'>): Priority {
  const names = Object.keys(PRIORITIES) as Priority[];
  return names.find((name) => PRIORITIES[name] === job.priority) ?? 'normal';
}

export function linkOf({ queue, id }: Task): JobLink {
  return { queue, id };
}

export function linkTo({ queueName, id = '' }: TaskJob): JobLink {
  return { queue: queueName, id };
}

/** How a stored job is to be added. */
export interface NewJob {
  readonly task: Task;
  readonly data: JobData;
  readonly options: JobsOptions;
}

/** How long a task in a line waits to be told before it looks for itself, in milliseconds. */
const LINE_HOLD_MS = 3_600_000;
/** What follows a task that was stored before it looks for it this often, should nobody tell. */
const FOLLOW_HOLD_MS = 5_000;

/**
 * @param lines for each line its tasks, in order
 * @param by the process, as its jobs name it
 * @param heldMs how long the heads wait for their release; `undefined` where they are free at once
 */
export function jobsOf(
  lines: readonly (readonly Task[])[],
  by: string,
  heldMs: number | undefined,
): NewJob[] {
  return lines.flatMap((line) =>
    line.map((task, index) => {
      const prior = line[index - 1] ?? task.prior;
      const headHoldMs = prior === undefined ? heldMs : FOLLOW_HOLD_MS;
      const waitMs = (index > 0 ? LINE_HOLD_MS : (headHoldMs ?? 0)) + task.settings.delayMs;
      const data = dataOf(task, by, prior, line[index + 1]);
      const options = optionsOf(task, waitMs);
      if (task.keys?.dedupe === undefined) {
        return { task, data, options };
      }
      const dedupe = dedupeIdOf(task.keys.dedupe);
      return heldMs === undefined && line.length === 1
        ? { task, data, options: { ...options, deduplication: { id: dedupe } } }
        : { task, data: { ...data, dedupe }, options };
    }),
  );
}

function dataOf(task: Task, by: string, prior: Task | undefined, next: Task | undefined): JobData {
  const { stored, settings, addedAt, needs } = task;
  if (stored === undefined) {
    throw new Error(`Task "${task.name}" was not written down when it was added.`);
  }
  const { delayMs, retry } = settings;
  // Made of what there is: a literal that is spread together costs as much as the rest of the commit.
  const data: Written<JobData> = { v: FORMAT, by, addedAt: wholeMs(addedAt) };
  if (isPlain(stored)) data.args = stored.args;
  else data.call = JSON.stringify(stored);
  if (delayMs > 0) data.delayMs = delayMs;
  if (retry.attempts > 1) data.maxAttempts = retry.attempts;
  if (next !== undefined) data.next = linkOf(next);
  if (prior !== undefined) data.prior = linkOf(prior);
  if (needs !== undefined) data.needs = linkOf(needs);
  if (task.chain !== undefined) data.isInChain = true;
  return data;
}

function optionsOf({ settings }: Task, waitMs: number): JobsOptions {
  const priority = PRIORITIES[settings.priority];
  const options: JobsOptions = {};
  if (waitMs > 0) options.delay = Math.ceil(waitMs); // PostgreSQL has no fractions of a millisecond here
  if (priority > 0) options.priority = priority;
  return options;
}

type Written<T> = { -readonly [K in keyof T]: T[K] };

/** A user's key may be of any length, and hold any character. */
export function dedupeIdOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url');
}

/** A job as BullMQ's own class would hand it to its backend, without what has nothing to say yet. */
export function entryOf(
  queue: Pick<Queue, 'name' | 'opts'>,
  { task, data, options }: NewJob,
): FlowJobEntry {
  const jobData: Partial<JobJson> = {
    name: task.definition?.name ?? task.name,
    data: JSON.stringify(data),
    opts: options,
    timestamp: Date.now(),
  };
  if (options.deduplication !== undefined) {
    jobData.deduplicationId = options.deduplication.id;
  }
  return {
    jobData: jobData as JobJson,
    jobId: task.id,
    parentKeyOpts: {},
    prefix: queue.opts.prefix ?? '',
    queueName: queue.name,
  };
}

/** Most calls are nothing but arguments, which are text already. */
function isPlain({ args, options, carried, alsoCarried }: StoredCall): boolean {
  const isBare = options === undefined && carried === undefined && alsoCarried === undefined;
  return isBare && isStorable(args);
}

export function callOf({ data: { args, call } }: TaskJob): StoredCall {
  return args === undefined
    ? (JSON.parse(call ?? '') as StoredCall)
    : { args, options: undefined, carried: undefined };
}

/** The jobs behind one in its line: each once, whatever their links say. */
export async function* jobsBehind(
  { data }: TaskJob,
  read: (link: JobLink) => Promise<TaskJob | undefined>,
): AsyncGenerator<TaskJob> {
  const seen = new Set<string>();
  for (let { next } = data; next !== undefined && !seen.has(next.id);) {
    seen.add(next.id);
    const job = await read(next);
    if (job === undefined) {
      return;
    }
    yield job;
    ({ next } = job.data);
  }
}

export function storedTaskOf(job: TaskJob): StoredTask {
  const { id, name, queueName, data, attemptsMade } = job;
  return {
    id: id ?? '',
    name,
    queue: queueName,
    call: callOf(job),
    addedAt: data.addedAt,
    attempts: attemptsMade,
    waits: data.waits,
  };
}

/** What became of a job, once BullMQ is done with it. */
export function endOfJob(job: TaskJob): StoredEnd | undefined {
  const { finishedOn, failedReason, returnvalue, data, attemptsMade } = job;
  if (finishedOn === undefined || finishedOn === null) {
    return undefined;
  }
  return data.end ?? endIn(returnvalue) ?? failedEnd(failedReason, attemptsMade);
}
