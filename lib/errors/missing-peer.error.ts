import { BackgroundTasksError } from './background-tasks.error.js';

/** A part of this package was used whose peer dependency is not installed. */
export class MissingPeerError extends BackgroundTasksError {
  readonly code = 'BGT_MISSING_PEER';

  constructor(
    /** What needs it. */
    readonly user: string,
    /** The packages, any of which may be the one that is missing. */
    readonly peers: readonly string[],
    options?: ErrorOptions,
  ) {
    super(`${user} needs ${peers.join(' and ')}: npm install ${peers.join(' ')}`, options);
    // Where it was thrown is of no interest: what helps stands in the one line.
    this.stack = `${this.name}: ${this.message}`;
  }
}
