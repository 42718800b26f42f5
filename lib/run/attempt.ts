import { ambient, type MethodIntake, type RunningTask } from '../task/ambient.js';
import type { Clock } from '../task/clock.js';
import { TaskAbandonedError, TaskCancelledError, TaskTimeoutError } from '../task/task.errors.js';
import type { Interruption, Task } from '../task/task.js';
import { COMPLETED, type Verdict } from '../task/verdict.js';
import type { CurrentTask } from './current-task.js';
import { decide } from './retry-policy.js';

/** What an attempt needs from outside; the same for all of an application. */
export interface AttemptSetting {
  readonly clock: Clock;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** What the body sees of itself. */
  readonly describe: (attempt: Attempt) => CurrentTask;
  /** The slot was freed, and the body goes on. */
  readonly onOverrun: (task: Task, reason: Interruption) => void;
}

/** One run of a task's body. Whatever the body does, it comes to exactly one verdict. */
export class Attempt implements RunningTask {
  readonly kind = 'task';
  isRunning = true;
  private hasBodyEnded = false;
  private conclude!: (verdict: Verdict) => void;
  private callOffTimeout: (() => void) | undefined = undefined;
  private controller: AbortController | undefined = undefined;
  private abortReason: Error | undefined = undefined;
  private description: CurrentTask | undefined = undefined;

  constructor(
    readonly task: Task,
    private readonly setting: AttemptSetting,
  ) {}

  get intake(): MethodIntake {
    return this.task.home;
  }

  /** Made when the body first asks: most never do. */
  get current(): CurrentTask {
    return (this.description ??= this.setting.describe(this));
  }

  /** Made when the body first asks, aborted already if it asks too late. */
  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.abortReason !== undefined) {
        this.controller.abort(this.abortReason);
      }
    }
    return this.controller.signal;
  }

  /** Never rejects. */
  run(): Promise<Verdict> {
    const { task } = this;
    const { timeoutMs } = task.settings;
    const verdict = new Promise<Verdict>((resolve) => {
      this.conclude = resolve;
    });
    task.interrupt = (reason) => this.stop(reason);
    if (timeoutMs !== undefined) {
      this.callOffTimeout = this.setting.clock.after(timeoutMs, () => this.stop('timeout'));
    }
    void this.runBody();
    return verdict;
  }

  private async runBody(): Promise<void> {
    let verdict: Verdict = COMPLETED;
    try {
      await this.task.inContext(() => ambient.run(this, () => this.task.call()));
    } catch (error) {
      verdict = this.isRunning ? this.judge(error) : verdict;
    }
    this.hasBodyEnded = true;
    this.end(verdict);
  }

  /** Does not wait for the body: one that ignores its signal must not keep the slot. */
  private stop(reason: Interruption): void {
    if (!this.isRunning) {
      return;
    }
    const error = reasonOf(reason, this.task);
    this.abortReason = error;
    const verdict: Verdict = reason === 'timeout' ? this.judge(error) : { kind: reason };
    this.end(verdict);
    this.controller?.abort(error);
    this.setting.clock.soon(() => {
      if (!this.hasBodyEnded) {
        this.setting.onOverrun(this.task, reason);
      }
    });
  }

  private judge(error: unknown): Verdict {
    return decide(this.task.settings.retry, this.task.attempts, error, this.setting.random);
  }

  private end(verdict: Verdict): void {
    if (this.isRunning) {
      this.isRunning = false;
      this.task.interrupt = undefined;
      this.callOffTimeout?.();
      this.conclude(verdict);
    }
  }
}

function reasonOf(reason: Interruption, { name, settings }: Task): Error {
  switch (reason) {
    case 'timeout':
      return new TaskTimeoutError(name, settings.timeoutMs ?? 0);
    case 'cancelled':
      return new TaskCancelledError(name);
    case 'abandoned':
      return new TaskAbandonedError(name);
  }
}
