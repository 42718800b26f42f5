import type { JobType } from 'bullmq';
import { StoreUnavailableError } from '../../../errors/storage.errors.js';
import type { Outcome, TaskStatus } from '../../../task/outcome.js';
import { cursorOf, errorFits, type Position } from '../../../task/position.js';
import { byTime } from '../../../task/log-lines.js';
import { readArgs, type TaskStorage } from '../../../task/stored-call.js';
import { NO_ARGS } from '../../../task/task.js';
import type { TaskInfo } from '../../../task/task-info.js';
import type { QueueState } from '../../engine.js';
import {
  inOrder,
  isWithin,
  type FailedQuery,
  type StoredCounts,
  type TaskQuery,
} from '../../kept-tasks.js';
import type { JobStore } from '../store/job-store.js';
import { errorIn, outcomeOf, type StoredEnd } from '../codec/stored-end.js';
import { callOf, endOfJob, priorityOf, type JobQueue, type TaskJob } from '../codec/stored-job.js';

/** In the order in which a job goes through them, so that a job that moves on during the reads is not missed. */
const WAITING = ['delayed', 'waiting', 'prioritized'] as const;
const ALL = [...WAITING, 'active', 'failed', 'completed'] as const;
const TYPES: Record<TaskStatus, readonly JobType[]> = {
  collected: [],
  queued: WAITING,
  delayed: ['delayed'],
  running: ['active'],
  retrying: WAITING,
  completed: ['completed'],
  failed: ['failed'],
  cancelled: ['completed'],
  dropped: ['completed'],
  abandoned: [],
};

/** How many jobs are read at once. */
const PAGE = 100;
const FAILED_PAGE = 500;

/** Reads tasks from the store, whichever process added or ran them. */
export class StoredTasks {
  constructor(
    private readonly store: JobStore,
    private readonly storage: TaskStorage,
  ) {}

  job(id: string): Promise<TaskJob | undefined> {
    return this.read(async () => {
      const found = await Promise.all(this.queuesOf().map((queue) => queue.getJob(id)));
      return found.find((job) => job !== undefined);
    });
  }

  async find(id: string): Promise<TaskInfo | undefined> {
    const job = await this.job(id);
    return (
      job &&
      this.read(async () => {
        const { logs } = await this.store.queue(job.queueName).getJobLogs(id);
        // The lines of two attempts may have arrived in another order.
        return this.viewOf(job, await job.getState(), logs.toSorted(byTime));
      })
    );
  }

  list(query: TaskQuery): Promise<TaskInfo[]> {
    return this.read(async () => {
      const { limit, failed } = query;
      const queues = this.queuesOf(query.queue);
      if (failed === undefined) {
        return this.listOf(queues, query);
      }
      const lists = queues.map((queue) => this.listFailed(queue, query, failed));
      return inOrder((await Promise.all(lists)).flat(), query).slice(0, limit);
    });
  }

  private async listOf(
    queues: readonly JobQueue[],
    { status, name, limit }: TaskQuery,
  ): Promise<TaskInfo[]> {
    const found = new Map<string, TaskInfo>();
    for (const queue of queues) {
      for (const type of status === undefined ? ALL : TYPES[status]) {
        for await (const job of jobsIn(queue, type)) {
          const view = this.viewOf(job, type, []);
          if ((status ?? view.status) === view.status && (name ?? view.name) === view.name) {
            found.set(view.id, view); // a job that is read twice has moved on: the later view counts
          }
          if (found.size === limit) {
            return [...found.values()];
          }
        }
      }
    }
    return [...found.values()];
  }

  private async listFailed(
    queue: JobQueue,
    { name, limit }: TaskQuery,
    failed: FailedQuery,
  ): Promise<TaskInfo[]> {
    const found: TaskInfo[] = [];
    let page: Position[] = [];
    let skip = 0;
    do {
      page = await this.store.failed(queue.name, failed, skip, FAILED_PAGE);
      skip += page.length;
      const asked = page.filter((position) => isWithin(position, failed));
      for (const job of await Promise.all(asked.map(({ id }) => queue.getJob(id)))) {
        const view = job && this.viewOf(job, 'failed', []);
        // Another process may have retried the job meanwhile.
        const fits = view?.status === 'failed' && (name ?? view.name) === view.name;
        if (fits && errorFits(view, failed.error)) {
          found.push(view);
        }
      }
    } while (page.length === FAILED_PAGE && found.length < limit);
    return found;
  }

  counts(queue: string | undefined): Promise<ReadonlyMap<string, StoredCounts>> {
    return this.read(async () => {
      const counted = this.queuesOf(queue).map(
        async (each) => [each.name, await countsOf(each)] as const,
      );
      return new Map(await Promise.all(counted));
    });
  }

  /** Holds for all processes until it is revoked. */
  setPaused(isPaused: boolean, name: string | undefined): Promise<void> {
    return this.read(async () => {
      for (const queue of this.queuesOf(name)) {
        await this.store.inTime(isPaused ? queue.pause() : queue.resume());
        if (!isPaused) {
          await this.store.wake(queue.name);
        }
      }
    });
  }

  states(isPaused: (queue: string) => boolean): Promise<QueueState[]> {
    return this.read(() =>
      Promise.all(
        this.queuesOf().map(async (queue) => {
          const { running, queued, delayed } = await countsOf(queue);
          // The first job of each kind: finding the oldest prioritized one would take reading all of them.
          const oldest = await queue.getJobs(['waiting', 'prioritized'], 0, 0, true);
          const times = oldest.flatMap((job) => job?.data.addedAt ?? []);
          return {
            queue: queue.name,
            running,
            pending: queued + delayed,
            oldestAddedAt: times.length === 0 ? undefined : Math.min(...times),
            isPaused: (await queue.isPaused()) || isPaused(queue.name),
            isShared: true,
          };
        }),
      ),
    );
  }

  /** @throws StoreUnavailableError within the commit timeout, also if the store answers but takes no tasks */
  async ping(): Promise<void> {
    await this.read(() => this.store.inTime(this.store.ping()));
  }

  /** @throws StoreUnavailableError if the store cannot be reached within the commit timeout */
  private async read<T>(act: () => Promise<T>): Promise<T> {
    try {
      if (this.store.isClosing) {
        throw new Error('closed');
      }
      await this.store.inTime(this.store.ready());
      return await act();
    } catch (cause) {
      const asked = this.store.isClosing ? 'closed' : 'read';
      throw new StoreUnavailableError(this.store.label, { cause }, asked);
    }
  }

  private queuesOf(name?: string): JobQueue[] {
    return this.store.queues().filter((queue) => name === undefined || queue.name === name);
  }

  /** No arguments are shown if they cannot be read here, for example with another serializer. */
  private shownArgsOf(job: TaskJob): readonly unknown[] {
    try {
      return readArgs(callOf(job).args, this.storage);
    } catch {
      return NO_ARGS;
    }
  }

  private outcomeOf({ failedReason, stacktrace }: TaskJob, end: StoredEnd): Outcome {
    const outcome = outcomeOf(end);
    return outcome.status === 'failed'
      ? { ...outcome, error: errorIn(end.error ?? failedReason, stacktrace) }
      : outcome;
  }

  private viewOf(job: TaskJob, type: JobType | 'unknown', logs: readonly string[]): TaskInfo {
    const { id = '', name, queueName, data, attemptsMade, progress, processedOn, finishedOn } = job;
    const end = endOfJob(job);
    const status = end?.status ?? unsettledStatus(job, type);
    const outcome = end && this.outcomeOf(job, end);
    return Object.freeze({
      id,
      name,
      queue: queueName,
      status,
      priority: priorityOf(job),
      args: this.shownArgsOf(job),
      attempts: end?.attempts ?? (status === 'running' ? attemptsMade + 1 : attemptsMade),
      maxAttempts: data.maxAttempts ?? 1,
      addedAt: data.addedAt,
      startedAt: status === 'running' ? processedOn : undefined,
      settledAt: status === 'failed' ? finishedOn : undefined,
      cursor: status === 'failed' && finishedOn ? cursorOf({ at: finishedOn, id }) : undefined,
      progress: progressIn(progress),
      result: outcome?.status === 'completed' ? outcome.result : undefined,
      logs,
      outcome,
    });
  }
}

async function* jobsIn(queue: JobQueue, type: JobType): AsyncGenerator<TaskJob> {
  for (let start = 0; ; start += PAGE) {
    const jobs = await queue.getJobs([type], start, start + PAGE - 1);
    if (jobs.length === 0) {
      return;
    }
    yield* jobs;
  }
}

/** Counts by BullMQ's own states: our status of each job would take reading all of them. */
async function countsOf(
  queue: JobQueue,
): Promise<Record<'running' | 'queued' | 'delayed' | 'completed' | 'failed', number>> {
  const counts = await queue.getJobCounts(...ALL);
  const { active = 0, waiting = 0, prioritized = 0 } = counts;
  const { delayed = 0, completed = 0, failed = 0 } = counts;
  return { running: active, queued: waiting + prioritized, delayed, completed, failed };
}

function unsettledStatus(job: TaskJob, type: JobType | 'unknown'): TaskStatus {
  switch (type) {
    case 'active':
      return 'running';
    case 'delayed':
      // A job that waits for its line or its response has no delay of its own.
      return job.attemptsMade > 0
        ? 'retrying'
        : job.data.delayMs !== undefined && job.data.prior === undefined
          ? 'delayed'
          : 'queued';
    default:
      return 'queued';
  }
}

/** Unwraps the text around a value, which differs from BullMQ's initial 0 and fits every store. */
function progressIn(progress: unknown): unknown {
  const { json } = (progress ?? {}) as { json?: string };
  return json === undefined ? undefined : JSON.parse(json);
}
