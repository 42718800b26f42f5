import type { JobState, QueueJob, QueueJobJson } from '@bull-board/api/typings/app';
import { errorText, summaryOf } from '../errors/error-text.js';
import { printable } from '../errors/printable.js';
import type { Outcome, TaskInfo, TaskRunner, TaskStatus } from '../index.js';
import { excerptOf } from './excerpt.js';

/** Our statuses behind each status of bull-board. */
export const STATUSES = {
  active: ['running'],
  waiting: ['queued', 'collected'],
  delayed: ['delayed', 'retrying'],
  completed: ['completed'],
  // bull-board has one status for all failures; the reason on the card tells which one it was.
  failed: ['failed', 'abandoned', 'cancelled', 'dropped'],
} as const satisfies Record<string, readonly TaskStatus[]>;

export type BoardStatus = keyof typeof STATUSES;

/**
 * Returns what is shown of a task's arguments.
 * @inline
 */
export type ShowArgs = (task: TaskInfo) => unknown;

/** A task as bull-board takes a job. */
export class BoardTask implements QueueJob {
  readonly opts = {};

  constructor(
    private readonly task: TaskInfo,
    private readonly runner: TaskRunner,
    private readonly showArgs: ShowArgs,
    /** The task came with a list. An action on a whole list skips the tasks that it cannot apply to. */
    private readonly isOneOfMany = false,
  ) {}

  promote(): Promise<void> {
    return Promise.reject(new Error('A delayed task starts when it is due.'));
  }

  /** Rejects: bull-board would otherwise report success. */
  updateData(): Promise<never> {
    return Promise.reject(new Error('The arguments of a task cannot be changed.'));
  }

  /** Cancels a task that has not settled. */
  async remove(): Promise<void> {
    const { id } = this.task;
    const isGone = (await this.runner.forget(id)) || (await this.runner.cancel(id));
    if (!isGone && !this.isOneOfMany) {
      throw new Error('The task runs with others in one batch and cannot be stopped alone.');
    }
  }

  async retry(): Promise<void> {
    const handle = await this.runner.retry(this.task.id);
    if (handle === undefined && !this.isOneOfMany) {
      throw new Error(`Only a failed task can be retried; this one was ${this.task.status}.`);
    }
  }

  async getState(): Promise<JobState> {
    return stateOf(this.task.status);
  }

  toJSON(): QueueJobJson {
    const { id, name, attempts, maxAttempts, addedAt, startedAt, outcome, priority } = this.task;
    const durationMs = outcome !== undefined && 'durationMs' in outcome ? outcome.durationMs : 0;
    return {
      id,
      name: printable(name, 200),
      progress: progressOf(this.task.progress),
      attemptsMade: attempts,
      timestamp: addedAt,
      processedOn: startedAt ?? null,
      finishedOn:
        startedAt === undefined || outcome === undefined
          ? null
          : Math.round(startedAt + durationMs),
      failedReason: reasonOf(outcome),
      stacktrace: stacksOf(outcome),
      data: this.showArgs(this.task),
      returnvalue: null,
      opts: { attempts: maxAttempts, priority },
    };
  }
}

function stateOf(status: TaskStatus): JobState {
  const entries = Object.entries(STATUSES) as [BoardStatus, readonly TaskStatus[]][];
  return entries.find(([, statuses]) => statuses.includes(status))?.[0] ?? 'unknown';
}

function progressOf(progress: unknown): QueueJobJson['progress'] {
  return excerptOf(progress ?? 0) ?? 0;
}

function reasonOf(outcome: Outcome | undefined): string {
  switch (outcome?.status) {
    case undefined:
    case 'completed':
      return '';
    case 'failed':
      return summaryOf(errorText(outcome.error)) || 'It failed.';
    case 'cancelled':
      return 'It was cancelled.';
    case 'abandoned':
      return 'It was abandoned: the application shut down before it ended.';
    case 'dropped':
      return `It was dropped: ${outcome.reason}.`;
  }
}

function stacksOf(outcome: Outcome | undefined): string[] {
  return outcome?.status === 'failed' ? [errorText(outcome.error).stack ?? []].flat() : [];
}
