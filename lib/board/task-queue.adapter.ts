import type { BaseAdapter } from '@bull-board/api/baseAdapter';
import type {
  AppJobScheduler,
  JobCleanStatus,
  JobCounts,
  JobStatus,
  QueueJob,
  QueueMetrics,
  Status,
} from '@bull-board/api/typings/app';
import { printable } from '../errors/printable.js';
import { requirePeer } from '../errors/require-peer.js';
import type { ScheduleInfo, TaskInfo, TaskRunner } from '../index.js';
import { BoardTask, STATUSES, type BoardStatus, type ShowArgs } from './board-task.js';

// Loaded here, so that an import of the board without its peer says at once what is missing.
const { BaseAdapter: Base } = requirePeer(
  '@bull-board/api/dist/queueAdapters/base.js',
  'nestjs-background-tasks/board',
) as { BaseAdapter: typeof BaseAdapter };

const TASK_ID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** How many tasks are removed together: a durable engine does so in one operation. */
const AT_ONCE = 500;

const NO_METRICS: QueueMetrics = {
  meta: { count: 0, prevTS: 0, prevCount: 0 },
  data: [],
  count: 0,
};

/** A queue of the application as a queue of bull-board, whichever engine keeps its tasks. */
export class TaskQueueAdapter extends Base {
  /**
   * @param queue the name of a queue of the application
   * @param runner the application's
   * @param showArgs returns what is shown of a task's arguments
   * @param readOnlyMode whether retry, cancel, pause and clean are refused
   * @throws MissingPeerError at the import, without `@bull-board/api`
   */
  constructor(
    private readonly queue: string,
    private readonly runner: TaskRunner,
    private readonly showArgs: ShowArgs,
    readOnlyMode: boolean,
  ) {
    // Of its two kinds of queue, bull-board assumes less about this one.
    super('bull', { readOnlyMode, allowCompletedRetries: false });
  }

  /** The name of the queue. */
  getName(): string {
    return this.queue;
  }

  /** The tabs of the queue's page. */
  getStatuses(): Status[] {
    return ['latest', 'active', 'waiting', 'delayed', 'completed', 'failed'];
  }

  /** The tabs that are a status of a task. */
  getJobStatuses(): JobStatus[] {
    return ['active', 'waiting', 'delayed', 'completed', 'failed'];
  }

  /** The task with this id, if it belongs to this queue. @param id as `TaskHandle.id` */
  async getJob(id: string): Promise<QueueJob | undefined> {
    const task = await this.task(id);
    return task && this.jobOf(task);
  }

  /**
   * A page of tasks of each status, the latest first.
   *
   * @param statuses the statuses, as bull-board names them
   * @param start the index of the first task of each status, from 0
   * @param end the index of the last task of each status, included
   */
  async getJobs(statuses: JobStatus[], start = 0, end = 9): Promise<QueueJob[]> {
    const pages = await Promise.all(
      statuses.map(async (status) => (await this.first(status, end + 1)).slice(start)),
    );
    return pages.flat().map((task) => this.jobOf(task, true));
  }

  /** How many tasks there are of each status. */
  async getJobCounts(): Promise<JobCounts> {
    const counts = await this.runner.counts(this.queue);
    const shown = Object.entries(STATUSES).map(([status, ours]) => [
      status,
      ours.reduce((sum, each) => sum + counts[each], 0),
    ]);
    return { ...NO_COUNTS, ...(Object.fromEntries(shown) as Record<BoardStatus, number>) };
  }

  /** What the task wrote by `currentTask().log()`. @param id as `TaskHandle.id` */
  async getJobLogs(id: string): Promise<string[]> {
    const task = await this.task(id);
    return (task?.logs ?? []).map((line) => printable(line));
  }

  /** Whether tasks of the queue are kept from starting. */
  async isPaused(): Promise<boolean> {
    const { queues } = await this.runner.stats();
    return queues[this.queue]?.isPaused ?? false;
  }

  /** Starts no more tasks of the queue. */
  pause(): Promise<void> {
    return this.runner.pause(this.queue);
  }

  /** Takes back a {@link pause}. */
  resume(): Promise<void> {
    return this.runner.resume(this.queue);
  }

  /** Forgets settled tasks and cancels waiting ones. @param status as bull-board names it */
  async clean(status: JobCleanStatus): Promise<void> {
    await this.removeAll(status === 'wait' ? 'waiting' : status);
  }

  /** Cancels waiting tasks, except those that are delayed or between attempts. */
  async empty(): Promise<void> {
    await this.removeAll('waiting');
  }

  /** Forgets settled tasks and cancels the others. */
  async obliterate(): Promise<void> {
    for (const status of Object.keys(STATUSES) as BoardStatus[]) {
      await this.removeAll(status);
    }
  }

  /** None: see `nestjs-background-tasks/metrics`. */
  async getMetrics(): Promise<QueueMetrics> {
    return NO_METRICS;
  }

  /** None: a queue need not have a Redis. */
  async getRedisInfo(): Promise<null> {
    return null;
  }

  /** None: the concurrency of a queue is an option of the module. */
  async getGlobalConcurrency(): Promise<null> {
    return null;
  }

  /** The schedules of the queue. */
  async getJobSchedulers(): Promise<Omit<AppJobScheduler, 'queueName'>[]> {
    const all = await this.runner.listSchedules();
    return all.filter(({ queue }) => queue === this.queue).map(schedulerOf);
  }

  /** The number of schedules of the queue. */
  async getJobSchedulersCount(): Promise<number> {
    return (await this.getJobSchedulers()).length;
  }

  /** Rejects: tasks are added by the application. */
  addJob(): Promise<QueueJob> {
    return refuse('Tasks are added by the application.');
  }

  /** Rejects: delayed tasks start when they are due. */
  promoteAll(): Promise<void> {
    return refuse('Delayed tasks start when they are due.');
  }

  /** Rejects: the concurrency of a queue is an option of the module. */
  setGlobalConcurrency(): Promise<void> {
    return refuse('The concurrency of a queue is an option of the module.');
  }

  /** Removes a schedule. The tasks that it has added stay. @param id the name of the schedule */
  async removeJobScheduler(id: string): Promise<boolean> {
    const isHere = (await this.getJobSchedulers()).some((each) => each.id === id);
    return isHere && this.runner.removeSchedule(id);
  }

  /** Rejects: a schedule is changed where it was added. */
  updateJobScheduler(): Promise<never> {
    return refuse('A schedule is changed where it was added: in the code.');
  }

  /** Rejects: see {@link updateJobScheduler}. */
  runJobSchedulerNow(): Promise<never> {
    return refuse('A schedule adds tasks at its ticks only.');
  }

  /**
   * The id comes from a URL. A text of another form is not looked up: in a store it may be another
   * key.
   */
  private async task(id: string): Promise<TaskInfo | undefined> {
    const task = TASK_ID.test(id) ? await this.runner.get(id) : undefined;
    return task?.queue === this.queue ? task : undefined;
  }

  private jobOf(task: TaskInfo, isOneOfMany = false): QueueJob {
    return new BoardTask(task, this.runner, this.showArgs, isOneOfMany);
  }

  private async first(status: JobStatus, limit: number): Promise<TaskInfo[]> {
    const found: TaskInfo[] = [];
    if (!Object.hasOwn(STATUSES, status)) {
      throw new Error(`There are no tasks "${printable(status, 200)}".`); // the status comes from a URL
    }
    for (const each of STATUSES[status as BoardStatus]) {
      if (found.length < limit) {
        const filter = { status: each, queue: this.queue, limit: limit - found.length };
        found.push(...(await this.runner.list(filter)));
      }
    }
    return found;
  }

  private async removeAll(status: JobStatus): Promise<void> {
    const tasks = await this.first(status, Number.POSITIVE_INFINITY);
    while (tasks.length > 0) {
      const several = tasks.splice(0, AT_ONCE).map(async ({ id }) => {
        return (await this.runner.forget(id)) || this.runner.cancel(id);
      });
      await Promise.all(several);
    }
  }
}

const NO_COUNTS: JobCounts = {
  latest: 0,
  active: 0,
  waiting: 0,
  'waiting-children': 0,
  prioritized: 0,
  completed: 0,
  failed: 0,
  delayed: 0,
  paused: 0,
};

function schedulerOf({
  name,
  cron,
  every,
  timeZone,
  nextAt,
}: ScheduleInfo): Omit<AppJobScheduler, 'queueName'> {
  return {
    id: name,
    name: printable(name, 200),
    pattern: cron ?? `every ${every}`,
    ...(timeZone !== undefined && { tz: timeZone }),
    ...(nextAt !== undefined && { next: nextAt }),
  };
}

function refuse(reason: string): Promise<never> {
  return Promise.reject(new Error(reason));
}
