import type { Worker } from '../engine/engine.js';
import type { Observer } from '../observe/observer.js';
import type { Carriers } from '../options/carriers.js';
import type { Clock } from '../task/clock.js';
import { readProcess } from '../task/process-usage.js';
import { withHidden } from '../task/hidden.js';
import { LogLines } from '../task/log-lines.js';
import { keepResult } from '../task/result.js';
import type { Task } from '../task/task.js';
import type { Announcement, Verdict } from '../task/verdict.js';
import { Attempt, type AttemptSetting } from './attempt.js';
import { AttemptHooks } from './attempt-hooks.js';
import type { CurrentTask } from './current-task.js';
import { Profiler } from './profiler.js';

/** Makes attempts, and announces what became of them once the engine has recorded it. */
export class TaskWorker implements Worker {
  private readonly setting: AttemptSetting;

  constructor(
    private readonly clock: Clock,
    random: () => number,
    private readonly observer: Observer,
    hooks = new AttemptHooks((error) => observer.log.hookFailed(error)),
    carriers?: Carriers,
  ) {
    this.setting = {
      clock,
      random,
      hooks,
      profiler: new Profiler((...profile) => observer.log.profiled(...profile)),
      carriers,
      describe: (attempt) => this.describe(attempt),
      onOverrun: (task, reason) => observer.log.overrun(task, reason),
    };
  }

  attempt(task: Task, conclude: (task: Task, verdict: Verdict) => void): void {
    const attempt = new Attempt(task, this.setting, conclude);
    const now = this.clock.now();
    if (this.observer.isObserved) {
      attempt.reading = readProcess();
    }
    this.begin(task, attempt, now);
    task.followers?.forEach((follower) => this.begin(follower, attempt, now));
    attempt.start();
  }

  announce(task: Task, what: Announcement): void {
    switch (what.kind) {
      case 'completed':
        return this.observer.completed(task, this.durationOf(task));
      case 'retry':
        return this.retrying(task, what.error, what.delayMs);
      case 'failed':
        return this.observer.failed(task, what.error, this.durationOf(task));
      case 'cancelled':
        return this.observer.cancelled(task);
      case 'abandoned':
        return this.observer.abandoned(task, what.isKept ?? false);
      case 'dropped':
        return this.observer.dropped(task, what.reason);
      case 'left':
        return this.observer.left(task);
      case 'fell-back':
        return this.observer.fellBack(task);
    }
  }

  private begin(task: Task, attempt: Attempt, now: number): void {
    task.attempt = attempt;
    task.startedAt = now;
    task.attempts += 1;
    task.result = undefined; // of an earlier attempt
    this.observer.started(task);
  }

  private retrying(task: Task, error: unknown, delayMs: number): void {
    if (task.attempt === undefined) {
      return this.observer.putOff(task, error, delayMs);
    }
    this.observer.retrying(task, error, delayMs, this.durationOf(task));
    task.attempt = undefined;
  }

  private durationOf({ attempt, startedAt }: Task): number {
    return attempt === undefined || startedAt === undefined ? 0 : this.clock.now() - startedAt;
  }

  private log(task: Task, message: string): void {
    task.logs ??= new LogLines();
    const line = task.logs.add(message, this.clock.now());
    this.observer.log.line(task, message);
    task.listener?.logged(task, line);
  }

  private describe(attempt: Attempt): CurrentTask {
    const { task } = attempt;
    const { observer } = this;
    const { id, name, queue } = task;
    const data = {
      id,
      name,
      queue,
      attempt: attempt.number,
      maxAttempts: task.maxAttempts,
    };
    const rest: Omit<CurrentTask, keyof typeof data> = {
      // A getter, because creating a signal costs more than most bodies.
      get signal() {
        return attempt.signal;
      },
      progress: (value: unknown) => {
        // Ignored after the attempt is over, although the body may go on.
        if (attempt.isRunning) {
          task.progress = value;
          observer.progress(task, value);
          task.listener?.progressed(task);
        }
      },
      result: (value: unknown) => {
        if (attempt.isRunning) {
          keepResult(task, value);
        }
      },
      log: (message: string) => this.log(task, message),
    };
    return Object.freeze(withHidden(data, rest));
  }
}
