import { BackgroundTasksError } from './background-tasks.error.js';

/** A part of this package is used, but its peer dependency is not installed. */
export class MissingPeerError extends BackgroundTasksError {
  readonly code = 'BGT_MISSING_PEER';

  constructor(
    /** The part that needs the packages. */
    readonly user: string,
    /** The packages, any of which may be the one that is missing. */
    readonly peers: readonly string[],
    options?: ErrorOptions,
  ) {
    super(`${user} needs ${peers.join(' and ')}: npm install ${peers.join(' ')}`, options);
    // A stack would not help: the message says what to install.
    this.stack = `${this.name}: ${this.message}`;
  }
}
