import { BackgroundTasksError } from './background-tasks.error.js';

/** A task was addressed to a queue of a durable engine, and cannot be written down. */
export class NotStorableError extends BackgroundTasksError {
  readonly code = 'BGT_NOT_STORABLE';

  constructor(
    readonly taskName: string,
    readonly queue: string,
    problem: string,
  ) {
    super(
      `Task "${taskName}" cannot be stored: ${problem} Queue "${queue}" has a durable engine, which ` +
        'takes @Background() methods with JSON arguments: pass ids and plain values.',
    );
  }
}

/** The store of a durable engine did not take a task in time. Nest answers it with 503. */
export class StoreUnavailableError extends BackgroundTasksError {
  readonly code = 'BGT_STORE_UNAVAILABLE';
  // The shape of an http-errors error, which is what Nest looks for; the message is not for clients.
  readonly status = 503;
  readonly statusCode = 503;
  readonly expose = false;
  /** What the `Retry-After` header of the answer says. */
  readonly retryAfterSeconds = 1;

  constructor(
    readonly store: string,
    options?: ErrorOptions,
  ) {
    super(
      `${store} did not store the tasks. They will not run; the request can be repeated.`,
      options,
    );
  }
}

/** What a task was doing when its process died, as often as it may. It is kept, and can be retried. */
export class TaskCrashedError extends BackgroundTasksError {
  readonly code = 'BGT_TASK_CRASHED';

  constructor(
    readonly taskName: string,
    readonly starts: number,
  ) {
    super(
      `Task "${taskName}" was running each of the ${starts} times that its process died. It is kept ` +
        'and not attempted again by itself: TaskRunner.retry(id) does.',
    );
  }
}

/** A journal that cannot be used as it is. Nothing in it was changed. */
export class JournalError extends BackgroundTasksError {
  readonly code = 'BGT_JOURNAL';

  constructor(
    readonly path: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`The journal ${path} ${problem}`, options);
  }
}

/** An option that the engine of the task's queue cannot honour. */
export class UnsupportedOptionError extends BackgroundTasksError {
  readonly code = 'BGT_UNSUPPORTED_OPTION';

  constructor(
    subject: string,
    readonly option: string,
    readonly queue: string,
    engine: string,
  ) {
    super(
      `${subject} has the option "${option}", which the engine of queue "${queue}" (${engine}) cannot ` +
        'honour. Leave it out, or choose a queue with another engine.',
    );
  }
}
