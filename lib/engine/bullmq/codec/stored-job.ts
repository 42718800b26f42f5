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
 * The data of a job. A change of its meaning needs a new {@link FORMAT}.
 *
 * The jobs of a line link to their neighbours, and whoever ends one releases the next. BullMQ's flows do
 * not fit: a flow cannot be joined later, loses a parent whose child is a duplicate, and knows failed
 * children but no dropped ones.
 */
export interface JobData {
  readonly v: number;
  /** The serialised arguments, if the call holds nothing else. */
  readonly args?: string;
  /** Any other {@link StoredCall}, as text: PostgreSQL's JSON type refuses some characters that it may hold. */
  readonly call?: string;
  /** The process that added the task. */
  readonly by: string;
  readonly addedAt: number;
  readonly delayMs?: number;
  /** The retry policy's limit when the task was added, for display only. */
  readonly maxAttempts?: number;
  /** The next task in the line, released when this one ends. */
  readonly next?: JobLink;
  /** The task before it in the line. This one does not start unless that one has settled. */
  readonly prior?: JobLink;
  /** The task before it in the chain. This one does not run unless that one has completed. */
  readonly needs?: JobLink;
  /** A task that needs this one may be added later, so a cancelled job is marked and not removed. */
  readonly isInChain?: boolean;
  /** A key claimed once the task may run: a task that is only held blocks no other task's key. */
  readonly dedupe?: string;
  /** Another task had the key at the release. This one is dropped when its turn comes. */
  readonly isDuplicate?: boolean;
  readonly isCancelled?: boolean;
  /** The attempts that asked for a later one, if any did. */
  readonly waits?: Waits;
  /** The task that this one needs did not complete, and may be gone from the store: this one does not run. */
  readonly isBroken?: boolean;
  readonly end?: StoredEnd;
  /** Its last start, after crashes of its process, was made with nothing beside it. */
  readonly isLastAlone?: boolean;
  /** How many starts had ended with a crash of the worker when somebody retried the task by hand. */
  readonly forgivenStarts?: number;
}

export type TaskJob = Job<JobData, StoredEnd>;
export type JobQueue = Queue<JobData, StoredEnd>;
export type JobWorker = Worker<JobData, StoredEnd>;

/** The version of {@link JobData} that this library reads and writes. */
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

/** A job to add. */
export interface NewJob {
  readonly task: Task;
  readonly data: JobData;
  readonly options: JobsOptions;
}

/** How long a task in a line waits for its release before a worker checks its turn, in milliseconds. */
const LINE_HOLD_MS = 3_600_000;
/** The same for the head of a line that follows a task stored earlier. */
const FOLLOW_HOLD_MS = 5_000;

/**
 * @param lines the tasks of each line, in order
 * @param by the id of this process
 * @param heldMs how long the heads wait for their release; `undefined` if they may start at once
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
    throw new Error(`Task "${task.name}" was not serialised when it was added.`);
  }
  const { delayMs, retry } = settings;
  // Assigned one by one: an object literal with spreads costs as much as the rest of the commit.
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
  if (waitMs > 0) options.delay = Math.ceil(waitMs); // PostgreSQL takes whole milliseconds only
  if (priority > 0) options.priority = priority;
  return options;
}

type Written<T> = { -readonly [K in keyof T]: T[K] };

/** Hashed, because a user's key may have any length and hold any character. */
export function dedupeIdOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url');
}

/** A job in the form in which BullMQ's `Job` hands it to its backend, without the fields that are still empty. */
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

/** Most calls are only arguments, which are text already. */
function isPlain({ args, options, carried, alsoCarried }: StoredCall): boolean {
  const isBare = options === undefined && carried === undefined && alsoCarried === undefined;
  return isBare && isStorable(args);
}

export function callOf({ data: { args, call } }: TaskJob): StoredCall {
  return args === undefined
    ? (JSON.parse(call ?? '') as StoredCall)
    : { args, options: undefined, carried: undefined };
}

/** The later jobs of a line, each once even if their links form a circle. */
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

/** The end of a job that BullMQ has finished. */
export function endOfJob(job: TaskJob): StoredEnd | undefined {
  const { finishedOn, failedReason, returnvalue, data, attemptsMade } = job;
  if (finishedOn === undefined || finishedOn === null) {
    return undefined;
  }
  return data.end ?? endIn(returnvalue) ?? failedEnd(failedReason, attemptsMade);
}
