import { BackgroundTasksError } from '../errors/background-tasks.error.js';

/** The board has no guard, and `NODE_ENV` is neither `development` nor `test`. */
export class UnguardedBoardError extends BackgroundTasksError {
  readonly code = 'BGT_UNGUARDED_BOARD';

  constructor(
    /** The route of the board. */
    readonly route: string,
    environment: string | undefined,
  ) {
    super(
      `The board at ${route} shows and controls all tasks, and NODE_ENV is ` +
        `${environment === undefined ? 'not set' : JSON.stringify(environment)}: it is not served ` +
        'without a guard. On your own machine start the application with NODE_ENV=development, as in ' +
        '"NODE_ENV=development npm run start:dev": then it answers at localhost. Elsewhere pass a guard, ' +
        'BackgroundTasksBoardModule.forRoot({ guard: AdminGuard }), or guard: () => true for everybody.',
    );
  }
}
