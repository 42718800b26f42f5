import { withError, type DropReason } from '../task/outcome.js';
import { usageSince, type ProcessUsage } from '../task/process-usage.js';
import type { Task } from '../task/task.js';
import type { TaskEvents } from './task-events.js';
import type { TaskLog } from './task-log.js';
import type { TaskRecords } from './task-records.js';
import type { TaskStats } from './task-stats.js';

/** Counts, remembers, logs and announces what happens to tasks. */
export class Observer {
  /**
   * When each task was released or due. Not a field of the task: it is needed only if there is a
   * listener.
   */
  private readonly dueAt = new WeakMap<Task, number>();

  constructor(
    private readonly stats: TaskStats,
    private readonly records: TaskRecords,
    private readonly events: TaskEvents,
    readonly log: TaskLog,
  ) {}

  /** The task's id was read for the first time: from now on the id finds the task. */
  minted(id: string, task: Task): void {
    this.records.index(id, task);
  }

  /** The task was made, but not added. */
  forget(task: Task): void {
    this.records.drop(task);
  }

  added(task: Task): void {
    this.stats.added(task);
    this.events.emit('added', task, {});
  }

  /** A failed task was added again, with its id. */
  restarted(failed: Task, task: Task): void {
    this.records.replace(failed, task);
    this.added(task);
  }

  get isObserved(): boolean {
    return this.events.isObserved;
  }

  /** The task waits in a store, where another process may take it. */
  left(task: Task): void {
    this.stats.left(task);
    this.records.drop(task);
  }

  /** The task comes back from its store. It was counted when it was first added. */
  returned(task: Task): void {
    this.stats.returned(task);
  }

  fellBack(task: Task): void {
    this.log.fellBack(task);
    this.events.emit('fell-back', task, {});
  }

  queued(task: Task): void {
    // A duplicate, or a task too late for the shutdown, is dropped while it is released.
    if (!task.isOver) {
      this.due(task, task.settings.delayMs);
      this.events.emit('queued', task, {});
    }
  }

  started(task: Task): void {
    this.stats.started(task);
    if (this.events.isObserved) {
      this.events.emit('started', task, { waitedMs: this.waitedMsOf(task) });
    }
  }

  progress(task: Task, value: unknown): void {
    this.events.emit('progress', task, { value });
  }

  retrying(task: Task, error: unknown, delayMs: number, durationMs: number): void {
    this.stats.retrying(task);
    this.due(task, delayMs);
    this.log.retrying(task, error, delayMs);
    const usage = this.usageOf(task);
    this.events.emit('retrying', task, { error, delayMs, durationMs, process: usage });
  }

  /** The start could not be recorded, so no attempt was made. */
  putOff(task: Task, error: unknown, delayMs: number): void {
    this.due(task, delayMs);
    this.log.putOff(task, error, delayMs);
  }

  completed(task: Task, durationMs: number): void {
    const { attempts, result } = task;
    const usage = this.usageOf(task);
    this.stats.settled(task, 'completed', durationMs);
    this.log.completed(task, durationMs);
    const outcome = { status: 'completed' as const, attempts, durationMs };
    task.settle(result === undefined ? outcome : { ...outcome, result });
    this.records.remember(task);
    if (this.events.isObserved) {
      const handedOver = result === undefined ? undefined : { result };
      this.events.emit('completed', task, { durationMs, process: usage, ...handedOver });
    }
  }

  failed(task: Task, error: unknown, durationMs: number): void {
    const { attempts } = task;
    const usage = this.usageOf(task);
    this.stats.settled(task, 'failed', durationMs);
    // Before the task settles, and lets go of the context that this line is logged in.
    this.log.failed(task, error, durationMs);
    task.settle(withError({ status: 'failed' as const, attempts, durationMs, error }));
    this.records.remember(task);
    this.events.emit('failed', task, { error, durationMs, process: usage });
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
    this.log.abandoned(task, isKept);
    task.settle({ status: 'abandoned', attempts });
    this.records.remember(task);
    this.events.emit('abandoned', task, {});
  }

  dropped(task: Task, reason: DropReason): void {
    this.stats.settled(task, 'dropped');
    this.log.dropped(task, reason);
    task.settle({ status: 'dropped', reason });
    this.records.remember(task);
    this.events.emit('dropped', task, { reason });
  }

  /** Notes when the task's wait begins, if there is a listener to be told its length. */
  private due(task: Task, delayMs: number): void {
    if (this.events.isObserved) {
      this.dueAt.set(task, this.events.now() + delayMs);
    }
  }

  private waitedMsOf(task: Task): number {
    const dueAt = this.dueAt.get(task) ?? task.addedAt;
    return task.startedAt === undefined ? 0 : Math.max(0, task.startedAt - dueAt);
  }

  private usageOf({ attempt }: Task): ProcessUsage | undefined {
    return this.events.isObserved && attempt?.reading !== undefined
      ? usageSince(attempt.reading)
      : undefined;
  }
}
