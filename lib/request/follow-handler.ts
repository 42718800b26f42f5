import { isObservable, Observable } from 'rxjs';
import type { Collection } from '../intake/collection.js';

/** Calls a handler. What it gives is as before, but comes once its tasks have been decided. */
export function followCall(collection: Collection, call: () => unknown): unknown {
  collection.keeper.begin(collection);
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    return failed(collection, error);
  }
  return isThenable(result)
    ? result.then(
        (value) => completed(collection, value),
        (error: unknown) => failed(collection, error),
      )
    : completed(collection, result);
}

/** The stream of a handler; its end comes once its tasks have been decided. */
export function followStream(
  collection: Collection,
  stream: Observable<unknown>,
): Observable<unknown> {
  return new Observable((subscriber) => {
    let isOver = false;
    let isGenerating = false;
    const end = (hasSucceeded: boolean, tell: () => void): void => {
      isOver = true;
      const stored = decided(collection, hasSucceeded);
      if (stored === undefined) {
        tell();
      } else {
        stored.then(tell, (error: unknown) => subscriber.error(error));
      }
    };
    const subscription = stream.subscribe({
      next: (value) => {
        const followed = followIfGenerator(collection, value);
        isGenerating = followed !== value;
        subscriber.next(followed);
      },
      error: (error: unknown) => {
        collection.refused(error);
        end(false, () => subscriber.error(error));
      },
      complete: () => {
        if (isGenerating) {
          isOver = true; // here; the handler is not
          subscriber.complete();
        } else {
          end(true, () => subscriber.complete());
        }
      },
    });
    return () => {
      subscription.unsubscribe();
      if (!isOver) {
        isOver = true;
        collection.keeper.leave(collection);
      }
    };
  });
}

function completed(collection: Collection, value: unknown): unknown {
  if (isObservable(value)) {
    return offered(collection, followStream(collection, value));
  }
  const followed = followIfGenerator(collection, value);
  const stored = followed === value ? decided(collection, true) : undefined;
  return stored === undefined ? followed : stored.then(() => value);
}

function offered(collection: Collection, stream: Observable<unknown>): Observable<unknown> {
  const taken = collection.keeper.offer(collection);
  return new Observable((subscriber) => {
    taken();
    return stream.subscribe(subscriber);
  });
}

/** A handler that is an `async *` has not even begun: what it yields is the body of its response. */
function followIfGenerator(collection: Collection, value: unknown): unknown {
  const isBody =
    collection.response !== undefined &&
    Object.prototype.toString.call(value) === '[object AsyncGenerator]';
  return isBody
    ? followGenerator(
        collection,
        value as AsyncGenerator<unknown, unknown>,
        collection.keeper.offer(collection),
      )
    : value;
}

async function* followGenerator(
  collection: Collection,
  generator: AsyncGenerator<unknown, unknown>,
  taken: () => void,
): AsyncGenerator<unknown, unknown> {
  let isOver = false;
  taken();
  try {
    const result = yield* generator;
    isOver = true;
    await decided(collection, true);
    return result;
  } catch (error) {
    if (!isOver) {
      isOver = true;
      collection.refused(error);
      await decided(collection, false);
    }
    throw error;
  } finally {
    if (!isOver) {
      collection.keeper.leave(collection);
    }
  }
}

function failed(collection: Collection, error: unknown): unknown {
  collection.refused(error);
  const stored = decided(collection, false);
  if (stored === undefined) {
    throw error;
  }
  return stored.then(() => {
    throw error;
  });
}

/** What is to run is stored when this resolves, and the response waits for it. */
function decided(collection: Collection, hasSucceeded: boolean): Promise<void> | void {
  const stored = collection.keeper.end(collection, hasSucceeded);
  return stored?.catch((error: unknown) => {
    // What a failed handler leaves, it leaves: its own error is what the client is to hear of.
    if (hasSucceeded) {
      collection.refused(error);
      throw error;
    }
  });
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}
