import { inspect } from 'node:util';
import { heldBy } from './held.js';
import type { Outcome, TaskStatus } from './outcome.js';
import type { Task } from './task.js';

/** Hidden from code that enumerates objects, yet reachable through a Proxy around the handle. */
const TASK = Symbol('nestjs-background-tasks:task');

/**
 * What `addTask()` returns: a view of the task, and a way to stop it.
 *
 * @typeParam Result what the function returns
 */
export class TaskHandle<Result = unknown> {
  /** Unique, not guessable, stable for the task's life. */
  declare readonly id: string;
  /** The `name` option, `Class.method` of a `@Background()` method, or the function's name. */
  declare readonly name: string;
  /** The queue of the task. */
  declare readonly queue: string;
  /** The status of the task now. */
  declare readonly status: TaskStatus;
  declare private readonly [TASK]: Task;

  /**
   * @internal
   * @param task a serialiser that copies what it finds constructs the class without it, and fills in
   * the data
   */
  constructor(task?: Task) {
    if (task === undefined) {
      return;
    }
    Object.defineProperty(this, TASK, { value: task });
    Object.defineProperty(this, 'id', TaskHandle.#id);
    this.name = task.name;
    this.queue = task.queue;
    Object.defineProperty(this, 'status', TaskHandle.#status);
    task.hasHandle = true;
  }

  // Own properties, because serialisers read nothing else. Getters, because an id is minted on
  // demand.
  static readonly #id: ThisType<TaskHandle> & PropertyDescriptor = {
    enumerable: true,
    configurable: true, // a validator may take away what it does not know
    get() {
      return this[TASK].id;
    },
  };

  static readonly #status: ThisType<TaskHandle> & PropertyDescriptor = {
    enumerable: true,
    configurable: true, // a validator may take away what it does not know
    get() {
      return this[TASK].status;
    },
  };

  /**
   * Keeps the task from starting, or aborts its `signal` if it runs. No further attempt follows.
   *
   * @returns whether there was anything left to cancel
   */
  cancel(): Promise<boolean> {
    const task = heldBy(this, TASK) as Task;
    return Promise.resolve(task.home.cancel(task));
  }

  /**
   * Resolves to the outcome once the last attempt is over, or once there will be none. Never rejects:
   * a failed task resolves to `{ status: 'failed', error, … }`.
   */
  whenSettled(): Promise<Outcome<Result>> {
    const task = heldBy(this, TASK) as Task;
    task.home.asked(task);
    return task.whenSettled() as Promise<Outcome<Result>>;
  }

  /** @internal What a JSON response or log shows, without the objects that the task holds. */
  toJSON(): object {
    const { id, name, queue, status } = this;
    return { id, name, queue, status };
  }

  /** @internal The same for text logs. */
  [inspect.custom](): object {
    return this.toJSON();
  }
}
