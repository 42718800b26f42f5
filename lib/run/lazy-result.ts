import { types } from 'node:util';
import { from, isObservable, merge, type ObservableInput } from 'rxjs';
import { UnrecoverableError } from '../task/task.errors.js';

/**
 * Finishes what a body only returned: subscribes to an Observable, does so with those of an array and
 * waits for its promises, and fails for a value that nothing would ever run.
 *
 * @param onStart receives a function that stops the work begun here
 * @returns `undefined` if the body is done, otherwise a promise of its end
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
      return whenComplete([value], onStart);
    case 'several': {
      const list = value as unknown[];
      const streams = list.filter((each) => lazyKindOf(each) === 'observable');
      const ends = streams.length === 0 ? list : [...list, whenComplete(streams, onStart)];
      return Promise.all(ends).then(() => undefined);
    }
    case 'iterator':
      throw new UnrecoverableError(
        'The body returned a generator or another iterator, and none of it has run: an iterator ' +
          'runs only while it is read. Make the body an async function that reads it: ' +
          'for await (const item of steps()) { … }.',
      );
    case 'function':
      throw new UnrecoverableError(
        'The body returned an async function or a generator function, which nothing calls: its work ' +
          'was not done. Pass that function, addTask(fn, ...args), or call it in the body.',
      );
  }
}

function whenComplete(
  streams: readonly unknown[],
  onStart: (stop: () => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const sources = streams.map((stream) => from(stream as ObservableInput<unknown>));
    const subscription = merge(...sources).subscribe({ error: reject, complete: resolve });
    onStart(() => {
      try {
        subscription.unsubscribe();
      } catch (error) {
        reject(error); // the teardown is user code, and part of the body
      }
    });
  });
}

/** Handles rejections of an array's promises that nothing awaits any more: they would end the process. */
export function disown(value: unknown): void {
  if (Array.isArray(value)) {
    for (const promise of value.filter((each) => types.isPromise(each))) {
      promise.catch(() => undefined);
    }
  }
}

type LazyKind = 'observable' | 'several' | 'iterator' | 'function';

/** Reading a user's object may run a getter that throws: then it is none of these kinds. */
function lazyKindOf(value: unknown): LazyKind | undefined {
  if (typeof value === 'function') {
    // A plain function may be a teardown for the caller to use: the body need not call it.
    return /^\[object (?:Async|Generator)/.test(Object.prototype.toString.call(value))
      ? 'function'
      : undefined;
  }
  if (typeof value !== 'object' || value === null) {
    return undefined;
  }
  try {
    if (Array.isArray(value)) {
      return value.some((each) => isThenable(each) || isStream(each)) ? 'several' : undefined;
    }
    if (isStream(value)) {
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

/** The key by which libraries other than rxjs mark subscribable objects; rxjs reads the same. */
const OBSERVABLE =
  (Symbol as unknown as { readonly observable?: symbol }).observable ?? '@@observable';

function isStream(value: unknown): boolean {
  return (
    isObservable(value) ||
    (typeof value === 'object' && value !== null && hasMethod(value, OBSERVABLE))
  );
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && hasMethod(value, 'then');
}

function hasMethod(value: object, key: PropertyKey): boolean {
  return typeof (value as Record<PropertyKey, unknown>)[key] === 'function';
}
