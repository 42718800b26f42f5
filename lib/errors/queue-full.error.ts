import { TemporaryError } from './temporary.error.js';

/** A queue already has `maxPending` waiting tasks. */
export class QueueFullError extends TemporaryError {
  readonly code = 'BGT_QUEUE_FULL';

  constructor(
    /** The queue that is full. */
    readonly queue: string,
    /** How many tasks may be pending in the queue. */
    readonly maxPending: number,
    /** Whether the queue could have `overflow: 'drop-oldest'`, but does not. */
    couldDropOldest = false,
  ) {
    super(
      `Queue "${queue}" is full: ${maxPending} tasks are pending. Try again later, ${
        couldDropOldest
          ? "raise its maxPending, or set overflow: 'drop-oldest'."
          : 'or raise its maxPending.'
      }`,
    );
  }
}

/** A client sends more requests without reading the answers. */
export class UnreadAnswersError extends TemporaryError {
  readonly code = 'BGT_UNREAD_ANSWERS';

  constructor(
    /** How many tasks may wait on the connection. */
    readonly maxUnread: number,
  ) {
    super(
      `${maxUnread} tasks wait on this connection, because its client does not read its answers. More tasks ` +
        'are accepted when it has read them.',
    );
  }
}
