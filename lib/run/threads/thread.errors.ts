import { BackgroundTasksError } from '../../errors/background-tasks.error.js';
import { TemporaryError } from '../../errors/temporary.error.js';

/** The function of a thread cannot be found: a wrong URL, or a missing file or export. */
export class ThreadFunctionError extends BackgroundTasksError {
  readonly code = 'BGT_THREAD_FUNCTION';
}

/** A thread function was called, but its application has no thread pool. */
export class NoThreadPoolError extends BackgroundTasksError {
  readonly code = 'BGT_THREAD_NO_POOL';

  constructor(
    /** The name of the thread function. */
    readonly functionName: string,
    why: string,
  ) {
    super(`${functionName}() runs in a thread, and ${why}`);
  }
}

/** All threads are busy, and `maxQueue` calls are waiting already. */
export class ThreadQueueFullError extends TemporaryError {
  readonly code = 'BGT_THREAD_QUEUE_FULL';

  constructor(
    /** The name of the thread function. */
    readonly functionName: string,
    /** How many calls may wait for a thread. */
    readonly maxQueue: number,
  ) {
    super(
      `${functionName}() cannot wait for a thread: ${maxQueue} calls wait already. Give its queue less ` +
        'concurrency, or raise maxQueue in BackgroundTasksThreadsModule.forRoot().',
    );
  }
}

/** The application has shut down, and its threads with it. */
export class ThreadPoolClosedError extends BackgroundTasksError {
  readonly code = 'BGT_THREAD_POOL_CLOSED';

  constructor(
    /** The name of the thread function. */
    readonly functionName: string,
  ) {
    super(`${functionName}() has no thread: the application has shut down.`);
  }
}

/** An argument cannot be sent to a thread. */
export class ThreadArgumentError extends BackgroundTasksError {
  readonly code = 'BGT_THREAD_ARGUMENT';

  constructor(
    /** The name of the thread function. */
    readonly functionName: string,
    /** The position of the argument, from 0; `undefined` if each argument alone could be sent. */
    readonly index: number | undefined,
    options: ErrorOptions & { readonly cause: Error },
  ) {
    const which = index === undefined ? 'The arguments' : `Argument ${index + 1}`;
    super(
      `${which} of ${functionName}() cannot be sent to a thread: ${options.cause.message} Pass plain ` +
        'data (strings, numbers, arrays, maps, buffers, …), no functions and no open resources. A ' +
        'buffer passed with transfer() is empty after the first attempt.',
      options,
    );
  }
}

/** The value that the function returned cannot be sent back. */
export class ThreadResultError extends BackgroundTasksError {
  readonly code = 'BGT_THREAD_RESULT';

  constructor(
    /** The name of the thread function. */
    readonly functionName: string,
    problem: string,
  ) {
    super(
      `The result of ${functionName}() cannot be sent back from its thread: ${problem} Return plain ` +
        'data (strings, numbers, arrays, maps, buffers, …) or nothing.',
    );
  }
}

/** The thread ended while the function ran: `process.exit()`, or an uncaught exception. */
export class ThreadExitedError extends BackgroundTasksError {
  readonly code = 'BGT_THREAD_EXITED';

  constructor(
    /** The name of the thread function. */
    readonly functionName: string,
    how: string,
    options?: ErrorOptions,
  ) {
    super(`The thread of ${functionName}() ended before the function did: ${how}`, options);
  }
}

/** The thread needed more memory than `resourceLimits` grants. */
export class ThreadOutOfMemoryError extends BackgroundTasksError {
  readonly code = 'BGT_THREAD_OUT_OF_MEMORY';

  constructor(
    /** The name of the thread function. */
    readonly functionName: string,
    options?: ErrorOptions,
  ) {
    super(
      `The thread of ${functionName}() ran out of memory. Give it less at a time, or raise ` +
        'resourceLimits.maxOldGenerationSizeMb in BackgroundTasksThreadsModule.forRoot().',
      options,
    );
  }
}

/** The module was imported more than once into one application. */
export class DuplicateThreadsModuleError extends BackgroundTasksError {
  readonly code = 'BGT_THREAD_DUPLICATE_MODULE';

  constructor() {
    super(
      'BackgroundTasksThreadsModule is registered more than once in this application. Call forRoot() ' +
        'once, in the root module: all thread functions share its threads.',
    );
  }
}
