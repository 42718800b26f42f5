import { BackgroundTasksError } from './background-tasks.error.js';
import { TemporaryError } from './temporary.error.js';

/** A task of a queue with a durable engine cannot be stored. */
export class NotStorableError extends BackgroundTasksError {
  readonly code = 'BGT_NOT_STORABLE';

  constructor(
    /** The name of the task. */
    readonly taskName: string,
    /** The queue of the task. */
    readonly queue: string,
    problem: string,
  ) {
    super(
      `Task "${taskName}" cannot be stored: ${problem} Queue "${queue}" has a durable engine, which ` +
        'takes @Background() methods with JSON arguments: pass ids and plain values, and call a plain ' +
        'function in the body of such a method.',
    );
  }
}

/** How the message ends, by what the store was asked for. */
const UNAVAILABLE = {
  store: 'did not store the tasks. These tasks will not run. The client can repeat its request.',
  read: 'could not be read in time. Ask again when it can be reached.',
  closed: 'cannot be used any more: the application has shut down.',
};

/** The store of a durable engine did not answer in time. Nest answers the request with 503. */
export class StoreUnavailableError extends TemporaryError {
  readonly code = 'BGT_STORE_UNAVAILABLE';

  constructor(
    /** The kind and address of the store. */
    readonly store: string,
    options?: ErrorOptions,
    asked: 'store' | 'read' | 'closed' = 'store',
  ) {
    super(`${store} ${UNAVAILABLE[asked]}`, options);
  }
}

/**
 * A task was running `maxStarts` times when its process died. It is kept as failed and can be
 * retried.
 */
export class TaskCrashedError extends BackgroundTasksError {
  readonly code = 'BGT_TASK_CRASHED';

  constructor(
    /** The name of the task. */
    readonly taskName: string,
    /** How often the process died while the task ran. */
    readonly starts: number,
    /** How many other tasks were running at the same time: any of them may have been the cause. */
    readonly beside = 0,
  ) {
    const others = beside === 1 ? 'another task was' : `${beside} other tasks were`;
    super(
      `Task "${taskName}" was running ${starts} times when its process died, or when it closed the application ` +
        `itself${beside > 0 ? `; ${others} running at the same time and may be the cause` : ''}. ` +
        'It is kept as failed: TaskRunner.retry(id) runs it again.',
    );
  }
}

/** A journal cannot be used as it is. Nothing in it was changed. */
export class JournalError extends BackgroundTasksError {
  readonly code = 'BGT_JOURNAL';

  constructor(
    /** Where the journal is. */
    readonly path: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`The journal ${path} ${problem}`, options);
  }
}

/** A task cannot be stored in the caller's transaction. */
export class TransactionError extends BackgroundTasksError {
  readonly code = 'BGT_TRANSACTION';

  constructor(
    /** The name of the task. */
    readonly taskName: string,
    /** The queue of the task. */
    readonly queue: string,
    problem: string,
  ) {
    super(`Task "${taskName}" cannot be stored in a transaction of yours: ${problem}`);
  }
}

/** An option that the engine of the task's queue cannot honour. */
export class UnsupportedOptionError extends BackgroundTasksError {
  readonly code = 'BGT_UNSUPPORTED_OPTION';

  constructor(
    subject: string,
    /** The option. */
    readonly option: string,
    /** The queue whose engine refuses it. */
    readonly queue: string,
    engine: string,
  ) {
    super(
      `${subject} has the option "${option}", which the engine of queue "${queue}" (${engine}) cannot ` +
        'honour. Leave it out, or choose a queue with another engine.',
    );
  }
}
