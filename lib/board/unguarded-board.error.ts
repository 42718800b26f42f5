import { BackgroundTasksError } from '../errors/background-tasks.error.js';

/** The board has no guard, and `NODE_ENV` is neither `development` nor `test`. */
export class UnguardedBoardError extends BackgroundTasksError {
  readonly code = 'BGT_UNGUARDED_BOARD';

  constructor(
    /** Where it was to be served. */
    readonly route: string,
    environment: string | undefined,
  ) {
    super(
      `The board at ${route} shows and controls all tasks, and NODE_ENV is ` +
        `${environment === undefined ? 'not set' : JSON.stringify(environment)}: it is not served ` +
        'without a guard. Pass one: BackgroundTasksBoardModule.forRoot({ guard: … }). On your own ' +
        'machine, set NODE_ENV to "development".',
    );
  }
}
