import { BackgroundTasksError } from './background-tasks.error.js';

/** The board was to be served to anybody, in production. */
export class UnguardedBoardError extends BackgroundTasksError {
  readonly code = 'BGT_UNGUARDED_BOARD';

  constructor(
    /** Where it was to be served. */
    readonly route: string,
  ) {
    super(
      `The board at ${route} shows and controls all tasks, and NODE_ENV is "production": it is not ` +
        'served without a guard. Pass one: BackgroundTasksBoardModule.forRoot({ guard: … }).',
    );
  }
}
