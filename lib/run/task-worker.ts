import type { Worker } from '../engine/engine.js';
import type { TaskEvents } from '../observe/task-events.js';
import type { TaskLog } from '../observe/task-log.js';
import type { Clock } from '../task/clock.js';
import type { Task } from '../task/task.js';
import type { Dropped, Verdict } from '../task/verdict.js';
import { Attempt, type AttemptSetting } from './attempt.js';
import type { CurrentTask } from './current-task.js';

/** Gives tasks their meaning: an attempt is made here, and told about once it is recorded. */
export class TaskWorker implements Worker {
  private readonly setting: AttemptSetting;

  constructor(
    private readonly clock: Clock,
    random: () => number,
    private readonly events: TaskEvents,
    private readonly log: TaskLog,
  ) {
    this.setting = {
      clock,
      random,
      describe: (attempt) => this.describe(attempt),
      onOverrun: (task, reason) => log.overrun(task, reason),
    };
  }

  attempt(task: Task): Promise<Verdict> {
    const now = this.clock.now();
    this.started(task, now);
    task.followers?.forEach((follower) => this.started(follower, now));
    return new Attempt(task, this.setting).run();
  }

  announce(task: Task, verdict: Verdict | Dropped): void {
    const { attempts } = task;
    switch (verdict.kind) {
      case 'completed': {
        const durationMs = this.clock.now() - task.startedAt;
        task.settle({ status: 'completed', attempts, durationMs });
        return this.events.emit('completed', task, { durationMs });
      }
      case 'retry': {
        const { error, delayMs } = verdict;
        this.log.retrying(task, error, delayMs);
        return this.events.emit('retrying', task, { error, delayMs });
      }
      case 'failed': {
        const { error } = verdict;
        const durationMs = this.clock.now() - task.startedAt;
        task.settle({ status: 'failed', attempts, durationMs, error });
        this.log.failed(task, error, durationMs);
        return this.events.emit('failed', task, { error, durationMs });
      }
      case 'cancelled':
        task.settle({ status: 'cancelled', attempts });
        return this.events.emit('cancelled', task, {});
      case 'abandoned':
        task.settle({ status: 'abandoned', attempts });
        this.log.abandoned(task);
        return this.events.emit('abandoned', task, {});
      case 'dropped':
        task.settle({ status: 'dropped', reason: verdict.reason });
        this.log.dropped(task, verdict.reason);
        return this.events.emit('dropped', task, { reason: verdict.reason });
    }
  }

  private started(task: Task, now: number): void {
    task.attempts += 1;
    task.startedAt = now;
    this.events.emit('started', task, {});
  }

  private describe(attempt: Attempt): CurrentTask {
    const { task } = attempt;
    const { events, log } = this;
    const { id, name, queue, attempts } = task;
    return Object.freeze({
      id,
      name,
      queue,
      attempt: attempts,
      maxAttempts: task.settings.retry.attempts,
      // A getter: a signal costs more than most bodies.
      get signal() {
        return attempt.signal;
      },
      progress: (value: unknown) => events.emit('progress', task, { value }),
      log: (message: string) => log.line(task, message),
    });
  }
}
