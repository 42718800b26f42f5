import type { Carriers } from '../options/carriers.js';
import { ambient, type MethodIntake, type RunningTask } from '../task/ambient.js';
import type { Clock } from '../task/clock.js';
import type { ProcessReading } from '../task/process-usage.js';
import { TaskAbandonedError, TaskCancelledError, TaskTimeoutError } from '../task/task.errors.js';
import { keepReturned } from '../task/result.js';
import type { Interruptible, Interruption, Task } from '../task/task.js';
import { COMPLETED, type Verdict } from '../task/verdict.js';
import { attempted, type AttemptHooks } from './attempt-hooks.js';
import type { CurrentTask } from './current-task.js';
import { disown, finishLazy } from './lazy-result.js';
import type { Profiler } from './profiler.js';
import { decide } from './retry-policy.js';

/** What all attempts of an application share. */
export interface AttemptSetting {
  readonly clock: Clock;
  /** Returns a number from 0 up to 1. */
  readonly random: () => number;
  readonly hooks: AttemptHooks;
  readonly profiler: Profiler;
  /** Restores what `carry` stored with a task. */
  readonly carriers: Carriers | undefined;
  /** Makes the body's `currentTask()`. */
  readonly describe: (attempt: Attempt) => CurrentTask;
  /** Called when the slot has been freed although the body goes on. */
  readonly onOverrun: (task: Task, reason: Interruption) => void;
}

/** One run of a task's body. Whatever the body does, the attempt ends with exactly one verdict. */
export class Attempt implements RunningTask, Interruptible {
  isRunning = true;
  /** Starts at 1. Copied from the task, whose count moves on while this body may still ask. */
  readonly number: number;
  reading: ProcessReading | undefined = undefined;
  private verdict: Verdict | undefined = undefined;
  private tellEnd: ((verdict: Verdict) => void) | undefined = undefined;
  private hasBodyEnded = false;
  /** The body returned an Observable. */
  private isSubscribed = false;
  /** The body's return value has been looked at. */
  private isFinished = false;
  /** The verdict that waits for the body's end: see `waitForEnd`. */
  private atEnd: Verdict | undefined = undefined;
  private isAskedToEnd = false;
  /** Called at the end: they stop the timer, the profile, the subscription. */
  private ends: (() => void)[] | undefined = undefined;
  private controller: AbortController | undefined = undefined;
  private abortReason: Error | undefined = undefined;
  private description: CurrentTask | undefined = undefined;

  constructor(
    readonly task: Task,
    private readonly setting: AttemptSetting,
    /** Called exactly once. */
    private readonly conclude: (task: Task, verdict: Verdict) => void,
  ) {
    this.number = task.attempts + 1;
  }

  get kind(): 'task' {
    return 'task';
  }

  get intake(): MethodIntake {
    return this.task.home;
  }

  get carriers(): AttemptSetting['carriers'] {
    return this.setting.carriers;
  }

  get hooks(): AttemptHooks {
    return this.setting.hooks;
  }

  /** Created on first use: most bodies never ask. */
  get current(): CurrentTask {
    return (this.description ??= this.setting.describe(this));
  }

  /** The verdict, for hooks. Created on first use. */
  get ended(): Promise<Verdict> {
    return this.verdict === undefined
      ? new Promise((resolve) => {
          const tellOthers = this.tellEnd;
          this.tellEnd = (verdict) => {
            tellOthers?.(verdict);
            resolve(verdict);
          };
        })
      : Promise.resolve(this.verdict);
  }

  /** Created on first use, and already aborted if that is too late. */
  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.abortReason !== undefined) {
        this.controller.abort(this.abortReason);
      }
    }
    return this.controller.signal;
  }

  start(): void {
    const { task } = this;
    const { timeoutMs, profile } = task.settings;
    if (!this.isRunning) {
      this.hasBodyEnded = true;
      return; // cancelled by a listener of its start
    }
    if (timeoutMs !== undefined) {
      const callOff = this.setting.clock.after(timeoutMs, () => this.interrupt('timeout'));
      (this.ends ??= []).push(callOff);
    }
    if (profile !== undefined) {
      (this.ends ??= []).push(this.setting.profiler.start(task, profile));
    }
    try {
      const result = task.inContext(enter, this);
      if (isThenable(result)) {
        this.await(result);
      } else {
        this.returned();
      }
    } catch (error) {
      this.threw(error);
    }
  }

  /**
   * Does not wait for the body, except with `waitForEnd`: a body that ignores its signal must not
   * keep the slot.
   */
  interrupt(reason: Interruption): void {
    if (!this.isRunning) {
      return;
    }
    const error = reasonOf(reason, this.task);
    if (reason === 'abandoned' && !this.isAskedToEnd) {
      // A shutdown first aborts the signal, and interrupts again after its grace time.
      this.isAskedToEnd = true;
      if (this.atEnd === undefined) {
        this.abortReason = error;
        this.controller?.abort(error);
      }
      return;
    }
    if (reason === 'timeout' && this.atEnd !== undefined) {
      return; // cancelled before; the body goes on
    }
    this.abortReason = error;
    const verdict: Verdict =
      reason === 'timeout'
        ? this.judge(error)
        : // What was cancelled or timed out before does not come back as if nothing had been.
          ((reason === 'abandoned' ? this.atEnd : undefined) ?? { kind: reason });
    // An Observable needs no waiting: to unsubscribe ends it.
    if (this.task.settings.waitForEnd && reason !== 'abandoned' && !this.isSubscribed) {
      this.atEnd = verdict;
    } else {
      this.end(verdict);
    }
    this.controller?.abort(error);
    this.setting.clock.soon(() => {
      if (!this.hasBodyEnded) {
        this.setting.onOverrun(this.task, reason);
      }
    });
  }

  /** @returns a promise of the body's end if the body only began its work: see {@link finishLazy} */
  finish(value: unknown): Promise<void> | undefined {
    this.isFinished = true;
    if (!this.isRunning) {
      disown(value);
      return undefined; // too late: the attempt is over
    }
    if (this.task.definition === undefined) {
      keepReturned(this.task, value);
    }
    return finishLazy(value, (stop) => {
      const end = (): void => {
        this.hasBodyEnded = true;
        stop();
      };
      if (!this.isRunning) {
        return end(); // cancelled while it subscribed
      }
      (this.ends ??= []).push(end);
      this.isSubscribed = true;
      if (this.atEnd !== undefined) {
        this.end(this.atEnd);
      }
    });
  }

  /** Wraps the result: a thenable may settle twice, and a promise's own `then` may be anything. */
  private await(result: unknown): void {
    void Reflect.apply(then, Promise.resolve(result), [
      (value: unknown) => this.resolved(value),
      (error: unknown) => this.threw(error),
    ]);
  }

  /** Enters the context again to look at the value. To await inside it would cost each task a promise. */
  private resolved(value: unknown): void {
    try {
      const rest =
        this.isFinished || value === undefined
          ? undefined
          : this.task.inContext(() => ambient.run(this, () => this.finish(value)), undefined);
      if (rest === undefined) {
        this.returned();
      } else {
        this.await(rest);
      }
    } catch (error) {
      this.threw(error);
    }
  }

  private returned(): void {
    this.hasBodyEnded = true;
    this.end(this.atEnd ?? COMPLETED);
  }

  private threw(error: unknown): void {
    this.hasBodyEnded = true;
    if (this.isRunning) {
      const isShutDown = this.abortReason instanceof TaskAbandonedError;
      this.end(this.atEnd ?? (isShutDown ? { kind: 'abandoned' } : this.judge(error)));
    }
  }

  private judge(error: unknown): Verdict {
    const { settings, attempts, waits } = this.task;
    return decide(settings.retry, attempts, error, this.setting.random, waits);
  }

  private end(verdict: Verdict): void {
    if (this.isRunning) {
      this.isRunning = false;
      this.ends?.forEach((end) => end());
      if (verdict.kind === 'retry' && verdict.waits !== undefined) {
        for (const each of [this.task, ...(this.task.followers ?? [])]) {
          each.waits = verdict.waits;
        }
      }
      this.conclude(this.task, verdict);
      this.verdict = verdict;
      this.tellEnd?.(verdict);
    }
  }
}

// oxlint-disable-next-line typescript/unbound-method -- applied to each promise above
const { then } = Promise.prototype;

function enter(attempt: Attempt): unknown {
  const { carriers, task } = attempt;
  if (task.stored !== undefined && carriers?.isEmpty === false) {
    return restored(attempt, carriers);
  }
  if (!attempt.hooks.isEmpty) {
    return run(attempt);
  }
  ambient.enterWith(attempt); // in the attempt's own copy of the context: nothing to restore
  return callOf(attempt);
}

/** Runs the body once. Its result counts, not what the function that restores the context returns. */
function restored(attempt: Attempt, carriers: Carriers): unknown {
  let end: (() => unknown) | undefined;
  const body = (): unknown => (end ??= attempted(() => heard(run(attempt))))();
  const returned = carriers.restore(attempt.task.stored, body);
  return isThenable(returned) ? Promise.resolve(returned).then(body) : body();
}

/** Calls `print` once: in the context of the task's body, or outside if that cannot be restored. */
export function inContextOf(task: Task, carriers: Carriers, print: () => void): void {
  let isPrinted = false;
  const once = (): void => {
    if (!isPrinted) {
      isPrinted = true;
      print();
    }
  };
  try {
    const within: unknown = task.inContext(
      () =>
        task.stored !== undefined && !carriers.isEmpty
          ? carriers.restore(task.stored, once)
          : once(),
      undefined,
    );
    if (isThenable(within)) {
      return void Promise.resolve(within).then(once, once);
    }
  } catch {
    // The attempt itself reports a context that cannot be restored.
  }
  once();
}

/** Marks a rejection as handled: it may be awaited only later. */
function heard(result: unknown): unknown {
  if (isThenable(result)) {
    const promise = Promise.resolve(result);
    void Reflect.apply(then, promise, [undefined, () => undefined]);
    return promise;
  }
  return result;
}

function run(attempt: Attempt): unknown {
  return attempt.hooks.isEmpty
    ? ambient.run(attempt, callOf, attempt)
    : attempt.hooks.around(attempt, () => ambient.run(attempt, callOf, attempt));
}

/** Finishes lazy results within the body's context. */
function callOf(attempt: Attempt): unknown {
  const result = attempt.task.call();
  if (!isThenable(result)) {
    return attempt.finish(result);
  }
  return attempt.hooks.isEmpty && attempt.task.stored === undefined
    ? result
    : Reflect.apply(then, Promise.resolve(result), [(value: unknown) => attempt.finish(value)]);
}

function isThenable(value: unknown): boolean {
  return (
    (typeof value === 'object' || typeof value === 'function') && value !== null && 'then' in value
  );
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
