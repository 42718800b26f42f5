import { isObservable, Observable } from 'rxjs';
import { ambient } from '../task/ambient.js';
import { lifeHere, within } from './life-of-request.js';
import { MessageLife } from './message-life.js';
import type { Requests } from './requests.js';

/** @param type of the execution context: a root field of GraphQL joins its HTTP request */
export function beginMessage(requests: Requests, type: string): MessageLife {
  const here = type === 'graphql' ? lifeHere(requests.intake) : undefined;
  return requests.beginMessage(here instanceof MessageLife ? here.parent : here);
}

/**
 * Handles a message: guards, interceptors, handler and exception filters.
 *
 * @param handle gives Nest's answer
 * @returns the same answer, once the tasks that it waits for are stored
 */
export function handleMessage(life: MessageLife, handle: () => unknown): Promise<unknown> {
  life.isFollowed = true;
  return ambient.run(life, () => {
    const answer = (async () => handle())();
    life.parent?.begin(answer);
    return answer.then(
      (value) => answered(life, value),
      (error: unknown) => {
        life.end(false)?.catch(() => undefined);
        throw error;
      },
    );
  });
}

/** An answer before the handler has ended comes from an exception filter: a guard has refused. */
function answered(life: MessageLife, answer: unknown): unknown {
  const hasSucceeded = (): boolean => !life.isInterceptorDue && !life.hasFailed;
  if (isObservable(answer)) {
    return followed(life, answer, hasSucceeded, () => life.end(false));
  }
  const stored = life.end(hasSucceeded());
  return stored === undefined ? answer : stored.then(() => answer);
}

/** The stream of a message's handler. Its end decides, and is passed on once the tasks are stored. */
export function handled(life: MessageLife, stream: Observable<unknown>): Observable<unknown> {
  // Where the message is followed, it ends after its exception filters: their tasks go behind those so far.
  const failed = (): Promise<void> | void => (life.isFollowed ? undefined : life.end(false));
  return followed(life, stream, () => true, failed);
}

/**
 * A stream in the context of its message. Its end is passed on once the tasks are stored.
 *
 * @param hasSucceeded whether a stream that completes means success
 * @param failed called when the stream fails
 */
function followed(
  life: MessageLife,
  stream: Observable<unknown>,
  hasSucceeded: () => boolean,
  failed: () => Promise<void> | void,
): Observable<unknown> {
  return new Observable((subscriber) => {
    let hasFailed = false;
    const subscription = within(life, () =>
      stream.subscribe({
        next: (value) => subscriber.next(value),
        error: (error: unknown) => {
          hasFailed = true;
          life.refused(error);
          const tell = (): void => subscriber.error(error);
          // The client gets the error of the handler, even if storing fails as well.
          afterwards(failed(), tell, tell);
        },
        complete: () => {
          afterwards(
            life.end(hasSucceeded()),
            () => subscriber.complete(),
            (error) => subscriber.error(error),
          );
        },
      }),
    );
    return () => {
      subscription.unsubscribe();
      if (!hasFailed) {
        // A client that leaves changes nothing. Where the stream has completed, that has decided.
        afterwards(life.end(true), noop, noop);
      }
    };
  });
}

function afterwards(
  stored: Promise<void> | void,
  tell: () => void,
  refuse: (error: unknown) => void,
): void {
  if (stored === undefined) {
    tell();
  } else {
    stored.then(tell, refuse);
  }
}

function noop(): void {}
