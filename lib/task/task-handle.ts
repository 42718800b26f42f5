import { inspect } from 'node:util';
import type { Outcome, TaskStatus } from './outcome.js';
import type { Task } from './task.js';

/** What `addTask()` returns: a view of the task, and a way to stop it. */
export class TaskHandle {
  /** @internal */
  constructor(private readonly task: Task) {}

  /** Unique, not guessable, stable for the task's life. */
  get id(): string {
    return this.task.id;
  }

  /** The `name` option, `Class.method` of a `@Background()` method, or the function's name. */
  get name(): string {
    return this.task.name;
  }

  /** The queue it waits in. */
  get queue(): string {
    return this.task.queue;
  }

  /** Where it stands now. */
  get status(): TaskStatus {
    return this.task.status;
  }

  /**
   * Keeps the task from starting, or aborts its `signal` if it runs; there is no further attempt.
   *
   * @returns whether there was anything left to cancel
   */
  cancel(): Promise<boolean> {
    return Promise.resolve(this.task.home.cancel(this.task));
  }

  /**
   * Resolves to the outcome once the last attempt is over, or once there will be none. Never rejects:
   * a failed task resolves to `{ status: 'failed', error, … }`.
   */
  whenSettled(): Promise<Outcome> {
    return this.task.whenSettled();
  }

  /** @internal As a response or a log of JSON shows it: without all that the task holds. */
  toJSON(): object {
    const { id, name, queue, status } = this;
    return { id, name, queue, status };
  }

  /** @internal The same for a log of text. */
  [inspect.custom](): object {
    return this.toJSON();
  }
}
