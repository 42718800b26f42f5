import { AsyncResource } from 'node:async_hooks';
import type { MethodIntake } from './ambient.js';
import type { Outcome, TaskStatus } from './outcome.js';
import type { TaskDefinition } from './task-registry.js';
import type { TaskSettings } from './task-options.js';

/** Why an attempt is stopped from outside. */
export type Interruption = 'timeout' | 'cancelled' | 'abandoned';

/** The application that a task belongs to. */
export interface TaskHome extends MethodIntake {
  /** Called at most once for each task: see {@link Task.id}. */
  mintId(task: Task): string;
  /** @returns whether there was anything left to cancel */
  cancel(task: Task): boolean;
}

/** Where a task waits. */
export interface Place {
  remove(task: Task): void;
}

/**
 * One call that will be made later. Everything but its identity changes as it travels: collected,
 * queued, attempted, settled. Only the engine and the worker write to it.
 */
export class Task {
  status: TaskStatus = 'collected';
  /** How many attempts have started. */
  attempts = 0;
  /** When the latest attempt started: milliseconds since the epoch. */
  startedAt = 0;
  /** Stops the attempt under way; set while there is one. */
  interrupt: ((reason: Interruption) => void) | undefined = undefined;
  /** Set once, when the task settles. */
  outcome: Outcome | undefined = undefined;
  /** The task that may start when this one has settled. */
  successor: Task | undefined = undefined;
  /** Whether `successor` is dropped if this task does not complete. */
  stopsOnFailure = false;
  /** Where it waits, if it does: a lane, or for its time. Owned by the engine. */
  place: Place | undefined = undefined;
  /** Neighbours in the list the task waits in: owned by the engine, no allocation for waiting. */
  previous: Task | undefined = undefined;
  next: Task | undefined = undefined;
  private mintedId: string | undefined = undefined;
  private waiters: ((outcome: Outcome) => void)[] | undefined = undefined;
  /**
   * The async context of the place where the task was added: request id, tenant, trace. Let go when
   * the task settles, so that a remembered task does not keep a request alive.
   */
  private context: AsyncResource | undefined = new AsyncResource('BackgroundTask', {
    requireManualDestroy: true,
  });

  constructor(
    readonly home: TaskHome,
    readonly name: string,
    readonly settings: TaskSettings,
    private readonly fn: (...args: never[]) => unknown,
    /** `this` of the call; `undefined` where `definition` resolves it. */
    private readonly target: object | undefined,
    readonly args: readonly unknown[],
    /** The `@Background()` method it is a call of, if it is one. */
    readonly definition: TaskDefinition | undefined,
    /** Milliseconds since the epoch. */
    readonly addedAt: number,
  ) {}

  /** Made when first asked for: most tasks of a burst are never asked. */
  get id(): string {
    return (this.mintedId ??= this.home.mintId(this));
  }

  get queue(): string {
    return this.settings.queue;
  }

  /** Runs `callback` where the task was added. */
  inContext<T>(callback: () => T): T {
    return this.context === undefined ? callback() : this.context.runInAsyncScope(callback);
  }

  /** Makes the call. May throw, return, or return a promise: all of it is the user's. */
  call(): unknown {
    const fn = this.fn as (...args: readonly unknown[]) => unknown;
    if (this.definition !== undefined && this.target === undefined) {
      return this.definition.resolveTarget().then((target) => fn.apply(target, [...this.args]));
    }
    return fn.apply(this.target, this.args as unknown[]);
  }

  /** Records the end: the outcome first, then whoever waits for it. */
  settle(outcome: Outcome): void {
    this.outcome = outcome;
    this.status = outcome.status;
    this.context = undefined;
    const waiters = this.waiters;
    this.waiters = undefined;
    waiters?.forEach((resolve) => resolve(outcome));
  }

  /** Resolves when the task has settled. Never rejects. */
  whenSettled(): Promise<Outcome> {
    const { outcome } = this;
    return outcome === undefined
      ? new Promise((resolve) => void (this.waiters ??= []).push(resolve))
      : Promise.resolve(outcome);
  }
}
