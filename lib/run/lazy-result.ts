import { types } from 'node:util';
import { from, isObservable, type ObservableInput } from 'rxjs';
import { UnrecoverableError } from '../task/task.errors.js';

/**
 * Sees to what a body returned and did not do: an Observable is subscribed to, the promises of an array
 * are waited for, and what nobody would ever call is an error.
 *
 * @param onStart is given a function that stops what has begun
 * @returns `undefined` where the body is done, else a promise of its end
 * @throws UnrecoverableError for an async function, a generator or another iterator
 */
export function finishLazy(
  value: unknown,
  onStart: (stop: () => void) => void,
): Promise<void> | undefined {
  switch (lazyKindOf(value)) {
    case undefined:
      return undefined;
    case 'observable':
      return new Promise((resolve, reject) => {
        const source = from(value as ObservableInput<unknown>);
        const subscription = source.subscribe({ error: reject, complete: resolve });
        onStart(() => {
          try {
            subscription.unsubscribe();
          } catch (error) {
            reject(error); // its teardown is the user's, and part of the body
          }
        });
      });
    case 'promises':
      return Promise.all(value as unknown[]).then(() => undefined);
    case 'iterator':
      throw new UnrecoverableError(
        'The body returned a generator or another iterator, and nothing of it has run: the steps ' +
          'of an iterator run only while it is read. Make the body an async function that reads it: ' +
          'for await (const item of steps()) { … }.',
      );
    case 'function':
      throw new UnrecoverableError(
        'The body returned an async function or a generator function, and nobody calls it: its work ' +
          'was not done. Pass that function, addTask(fn, ...args), or call it in the body.',
      );
  }
}

/** Nobody waits any more for the promises of an array: one that rejects is not to end the process. */
export function disown(value: unknown): void {
  if (Array.isArray(value)) {
    for (const promise of value.filter((each) => types.isPromise(each))) {
      promise.catch(() => undefined);
    }
  }
}

type LazyKind = 'observable' | 'promises' | 'iterator' | 'function';

/** Looking at a user's object may run a getter of it, which may throw: then it is none of these. */
function lazyKindOf(value: unknown): LazyKind | undefined {
  if (typeof value === 'function') {
    // A plain one may be what undoes the work, as listeners are given: the body need not call it.
    return /^\[object (?:Async|Generator)/.test(Object.prototype.toString.call(value))
      ? 'function'
      : undefined;
  }
  if (typeof value !== 'object' || value === null) {
    return undefined;
  }
  try {
    if (Array.isArray(value)) {
      return value.some(isThenable) ? 'promises' : undefined;
    }
    if (isObservable(value) || hasMethod(value, OBSERVABLE)) {
      return 'observable';
    }
    const isIterator =
      hasMethod(value, 'next') &&
      (hasMethod(value, Symbol.iterator) || hasMethod(value, Symbol.asyncIterator));
    return isIterator ? 'iterator' : undefined;
  } catch {
    return undefined;
  }
}

/** Where a library other than rxjs says that its object can be subscribed to; rxjs reads the same. */
const OBSERVABLE =
  (Symbol as unknown as { readonly observable?: symbol }).observable ?? '@@observable';

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && hasMethod(value, 'then');
}

function hasMethod(value: object, key: PropertyKey): boolean {
  return typeof (value as Record<PropertyKey, unknown>)[key] === 'function';
}
