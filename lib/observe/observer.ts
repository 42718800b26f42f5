import type { DropReason } from '../task/outcome.js';
import type { Task } from '../task/task.js';
import type { TaskEvents } from './task-events.js';
import type { TaskLog } from './task-log.js';
import type { TaskRecords } from './task-records.js';
import type { TaskStats } from './task-stats.js';

/** Told what has happened to a task, and passes it on: counted, remembered, logged, announced. */
export class Observer {
  constructor(
    private readonly stats: TaskStats,
    private readonly records: TaskRecords,
    private readonly events: TaskEvents,
    readonly log: TaskLog,
  ) {}

  /** Somebody asked for the task's id: from now on it can be found by it. */
  minted(id: string, task: Task): void {
    this.records.index(id, task);
  }

  added(task: Task): void {
    this.stats.added(task);
    this.events.emit('added', task, {});
  }

  /** A failed task was added once more, with its id. */
  restarted(failed: Task, task: Task): void {
    this.records.replace(failed, task);
    this.added(task);
  }

  /** Another process may go on with it. */
  left(task: Task): void {
    this.stats.left(task);
    this.records.drop(task);
  }

  /** It comes back from the store, and was counted when it came the first time. */
  returned(task: Task): void {
    this.stats.returned(task);
  }

  fellBack(task: Task): void {
    this.log.fellBack(task);
    this.events.emit('fell-back', task, {});
  }

  queued(task: Task): void {
    this.events.emit('queued', task, {});
  }

  started(task: Task): void {
    this.stats.started(task);
    this.events.emit('started', task, {});
  }

  progress(task: Task, value: unknown): void {
    this.events.emit('progress', task, { value });
  }

  retrying(task: Task, error: unknown, delayMs: number): void {
    this.stats.retrying(task);
    this.log.retrying(task, error, delayMs);
    this.events.emit('retrying', task, { error, delayMs });
  }

  completed(task: Task, durationMs: number): void {
    const { attempts } = task;
    this.stats.settled(task, 'completed', durationMs);
    task.settle({ status: 'completed', attempts, durationMs });
    this.records.remember(task);
    this.events.emit('completed', task, { durationMs });
  }

  failed(task: Task, error: unknown, durationMs: number): void {
    const { attempts } = task;
    this.stats.settled(task, 'failed', durationMs);
    task.settle({ status: 'failed', attempts, durationMs, error });
    this.records.remember(task);
    this.log.failed(task, error, durationMs);
    this.events.emit('failed', task, { error, durationMs });
  }

  cancelled(task: Task): void {
    const { attempts } = task;
    this.stats.settled(task, 'cancelled');
    task.settle({ status: 'cancelled', attempts });
    this.records.remember(task);
    this.events.emit('cancelled', task, {});
  }

  abandoned(task: Task, isKept: boolean): void {
    const { attempts } = task;
    this.stats.settled(task, 'abandoned');
    task.settle({ status: 'abandoned', attempts });
    this.records.remember(task);
    this.log.abandoned(task, isKept);
    this.events.emit('abandoned', task, {});
  }

  dropped(task: Task, reason: DropReason): void {
    this.stats.settled(task, 'dropped');
    task.settle({ status: 'dropped', reason });
    this.records.remember(task);
    this.log.dropped(task, reason);
    this.events.emit('dropped', task, { reason });
  }
}
