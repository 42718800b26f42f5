import { BackgroundTasksError } from './background-tasks.error.js';

/** A wrong option: a value out of range, an unparsable duration, a missing option. */
export class InvalidOptionError extends BackgroundTasksError {
  readonly code = 'BGT_INVALID_OPTION';

  constructor(
    /**
     * The path of the option, for example `queues.emails.concurrency`; empty for the options
     * themselves.
     */
    readonly path: string,
    problem: string,
  ) {
    super(`${subjectOf(path)}: ${problem}`);
  }
}

/** Names an option of a decorator and the method that the decorator is on. */
function subjectOf(path: string): string {
  if (path === '') {
    return 'The options of BackgroundTasksModule';
  }
  const [, place, option] = /^(@Background\(\) on [^.]+\.[^.]+)(?:\.(.+))?$/.exec(path) ?? [];
  if (place === undefined) {
    return `Option "${path}"`;
  }
  return option === undefined ? `The options of ${place}` : `Option "${option}" of ${place}`;
}

/** An option that does not exist. */
export class UnknownOptionError extends BackgroundTasksError {
  readonly code = 'BGT_UNKNOWN_OPTION';

  constructor(
    /** The path of the unknown key, for example `queues.emails.concurency`. */
    readonly path: string,
    known: readonly string[],
    /** The valid name nearest to the unknown one, if any is near. */
    readonly suggestion?: string,
    /** What to write in place of an option of another library. */
    instead?: string,
  ) {
    const meant = suggestion && `Did you mean "${suggestion}"?`;
    const remedy = instead ?? meant ?? `Known options: ${known.join(', ')}.`;
    super(`Unknown o${subjectOf(path).slice(1)}. ${remedy}`);
  }
}

/** A task names a queue that the module does not declare. */
export class UnknownQueueError extends BackgroundTasksError {
  readonly code = 'BGT_UNKNOWN_QUEUE';

  constructor(
    /** The unknown name. */
    readonly queue: string,
    known: readonly string[],
    /** The nearest name of a queue, if any is near. */
    readonly suggestion?: string,
    /** The place that names it, such as `@Background() on Mailer.send`; `undefined` for a call. */
    readonly place?: string,
  ) {
    super(
      `${place === undefined ? 'Unknown' : `${place}: unknown`} queue "${queue}". ${
        suggestion ? `Did you mean "${suggestion}"?` : `Known queues: ${known.join(', ')}.`
      } Queues are declared in BackgroundTasksModule.forRoot({ queues: { … } }).`,
    );
  }
}

/** `addTask()` got something that is not a function. */
export class NotAFunctionError extends BackgroundTasksError {
  readonly code = 'BGT_NOT_A_FUNCTION';

  constructor(received: string) {
    super(
      `addTask() expects a function, got ${received}. Pass the function without calling it, its ` +
        'arguments after it: addTask(fn, ...args) or addTask(options, fn, ...args).',
    );
  }
}

/** `@Background()` cannot be used at this place. */
export class BackgroundMethodError extends BackgroundTasksError {
  readonly code = 'BGT_BACKGROUND_METHOD';

  constructor(
    /** `Class.method` of the decorated member. */
    readonly member: string,
    problem: string,
  ) {
    super(`@Background() on ${member}: ${problem}`);
  }
}

/** Two `@Background()` methods have the same task name. */
export class DuplicateTaskNameError extends BackgroundTasksError {
  readonly code = 'BGT_DUPLICATE_TASK_NAME';

  constructor(
    /** The name of both tasks. */
    readonly taskName: string,
    first: string,
    second: string,
  ) {
    super(
      `Two @Background() methods are named "${taskName}": ${first} and ${second}. ` +
        'Give one of them a name of its own: @Background({ name: "…" }).',
    );
  }
}

/** A `@Background()` method was passed to `addTask()`, but this application does not have it. */
export class UnknownTaskError extends BackgroundTasksError {
  readonly code = 'BGT_UNKNOWN_TASK';

  constructor(
    /** The name of the task. */
    readonly taskName: string,
  ) {
    super(
      `No @Background() method named "${taskName}" is known to this application. ` +
        'Is its class listed as a provider?',
    );
  }
}

/**
 * A `@Background()` method of several providers was passed to `addTask()` or called without its
 * provider.
 */
export class AmbiguousTaskError extends BackgroundTasksError {
  readonly code = 'BGT_AMBIGUOUS_TASK';

  constructor(
    /** The name of the task that several providers share. */
    readonly taskName: string,
    candidates: readonly string[],
  ) {
    super(
      `"${taskName}" is a @Background() method of several providers (${candidates.join(', ')}), and ` +
        'the function alone does not tell which one is meant. Call the method on its provider instead.',
    );
  }
}

const NO_REQUEST =
  'BackgroundTasks collects the tasks of a request, and no request is being handled here. ' +
  'Outside a request (cron jobs, scripts, consumers) inject TaskRunner and call its addTask().';

/** `BackgroundTasks` was used where no request is being handled, or without the module. */
export class NoRequestError extends BackgroundTasksError {
  readonly code = 'BGT_NO_REQUEST';

  /** @param message overrides the usual one */
  constructor(message = NO_REQUEST) {
    super(message);
  }
}

/** The module was imported more than once into one application. */
export class DuplicateModuleError extends BackgroundTasksError {
  readonly code = 'BGT_DUPLICATE_MODULE';

  constructor(count: number) {
    super(
      `BackgroundTasksModule is registered ${count} times in this application. It is global: call ` +
        'forRoot() or forRootAsync() once, in the root module, and inject its providers anywhere.',
    );
  }
}

/** A task was added after the application had shut down. */
export class ShutDownError extends BackgroundTasksError {
  readonly code = 'BGT_SHUT_DOWN';

  constructor(
    /** The name of the task that came too late. */
    readonly taskName: string,
  ) {
    super(
      `Task "${taskName}" cannot be added: the application has shut down. ` +
        'Add tasks before app.close() completes.',
    );
  }
}

/** A task cannot join its chain: its queue has another engine, or the chain is already stored. */
export class ChainError extends BackgroundTasksError {
  readonly code = 'BGT_CHAIN';

  constructor(
    /** The name of the task. */
    readonly taskName: string,
    /** The queue of the task. */
    readonly queue: string,
    /** The queue of the task before, if it has another engine; `undefined` if the chain is stored. */
    readonly previousQueue: string | undefined,
    problem?: string,
  ) {
    super(
      problem ??
        (previousQueue === undefined
          ? `Task "${taskName}" comes too late: its chain is already stored. Add all tasks of a chain before ` +
            'the request is answered, and outside a request without an await between them; or let the ' +
            'last task add the next one.'
          : `Task "${taskName}" for queue "${queue}" cannot follow a task of queue "${previousQueue}" in a ` +
            'chain: the queues have different engines. Keep a chain in one engine, or let its last task ' +
            'add the next one.'),
    );
  }
}
