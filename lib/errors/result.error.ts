import { BackgroundTasksError } from './background-tasks.error.js';

/** A task has a result that cannot be kept. */
export class ResultError extends BackgroundTasksError {
  readonly code = 'BGT_RESULT';

  /** @internal */
  constructor(
    /** The task's name. */
    readonly taskName: string,
    problem: string,
  ) {
    super(
      `The result of task "${taskName}" cannot be kept: ${problem}. A result is what JSON can hold, 64 kB at ` +
        'most. Store the data elsewhere, and hand over its id.',
    );
  }
}
