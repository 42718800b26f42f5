import { isObservable, Observable } from 'rxjs';
import { ambient } from '../task/ambient.js';
import { RequestLife } from './request-life.js';
import type { Requests } from './requests.js';

/** The request of this application that is being handled here. */
export function lifeHere({ intake }: Requests): RequestLife | undefined {
  const here = ambient.getStore();
  return here instanceof RequestLife ? here.of(intake) : undefined;
}

/** Enters its context, where something between the request's first hook and here has lost it. */
export function within<T>(life: RequestLife, call: () => T): T {
  return ambient.getStore() === life ? call() : ambient.run(life, call);
}

/** @param type that of the execution context: a root field of GraphQL is part of an HTTP request */
export function beginMessage(requests: Requests, type: string): RequestLife {
  const here = type === 'graphql' ? lifeHere(requests) : undefined;
  return requests.begin({ isMessage: true, parent: here?.isMessage ? here.parent : here });
}

/**
 * Handles a message: guards, interceptors, handler and exception filters.
 *
 * @param handle gives Nest's answer
 * @returns the same answer, once what it waits for is stored
 */
export function handleMessage(life: RequestLife, handle: () => unknown): unknown {
  return ambient.run(life, () => {
    const answer = handle();
    if (!(answer instanceof Promise)) {
      return answered(life, answer);
    }
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

/** An answer without the handler's end is that of an exception filter: a guard has refused. */
function answered(life: RequestLife, answer: unknown): unknown {
  if (isObservable(answer)) {
    return untilStored(life, answer, () => !life.isInterceptorDue);
  }
  const stored = life.end(!life.isInterceptorDue);
  return stored === undefined ? answer : stored.then(() => answer);
}

/** The stream of a message, in its context; its end decides, and comes once what is to run is stored. */
export function untilStored(
  life: RequestLife,
  stream: Observable<unknown>,
  isSuccess: () => boolean = () => true,
): Observable<unknown> {
  return new Observable((subscriber) => {
    const end = (hasSucceeded: boolean, tell: () => void): void => {
      const stored = life.end(hasSucceeded);
      if (stored === undefined) {
        return tell();
      }
      // The error of a failed handler is what the client is to hear of.
      stored.then(tell, hasSucceeded ? (error: unknown) => subscriber.error(error) : tell);
    };
    const subscription = within(life, () =>
      stream.subscribe({
        next: (value) => subscriber.next(value),
        error: (error: unknown) => {
          life.refused(error);
          end(false, () => subscriber.error(error));
        },
        complete: () => end(isSuccess(), () => subscriber.complete()),
      }),
    );
    return () => {
      subscription.unsubscribe();
      end(true, () => undefined); // a client that leaves changes nothing
    };
  });
}
