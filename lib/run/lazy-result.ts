import { types } from 'node:util';
import { from, isObservable, Subscription, type ObservableInput } from 'rxjs';
import { isObject } from '../task/is-object.js';
import { isPlainObject } from '../task/json-value.js';
import { UnrecoverableError } from '../task/task.errors.js';

/** So many objects are looked into, and of others only whether they are promises: a body may return a whole table. */
const MAX_OBJECTS = 10_000;

/**
 * Sees to what a body returned and did not do: an Observable is subscribed to and a promise is waited
 * for, also in an array, a plain object, a `Map` or a `Set`, and what nobody would ever call is an error.
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
    case 'promise':
    case 'observable':
    case 'container':
      return finishAll(value, onStart, new Set());
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

/**
 * Functions and iterators in a container are data: they may be for the body's owner to call.
 *
 * @param seen the containers that were looked into: one may contain itself
 */
function finishAll(
  value: unknown,
  onStart: (stop: () => void) => void,
  seen: Set<unknown>,
): Promise<void> | undefined {
  const begun: Promise<void>[] = [];
  const objects = [value];
  for (const each of objects) {
    switch (lazyKindOf(each)) {
      case 'promise':
        begun.push(Promise.resolve(each).then((end) => finishAll(end, onStart, seen)));
        break;
      case 'observable':
        begun.push(whenComplete(each as ObservableInput<unknown>, onStart));
        break;
      case 'container':
        for (const inner of seen.has(each) ? [] : valuesIn(each as object)) {
          if (isObject(inner) && (objects.length < MAX_OBJECTS || isPromise(inner))) {
            objects.push(inner);
          }
        }
        seen.add(each);
        break;
      case 'iterator':
      case 'function':
      case undefined:
        break;
    }
  }
  return begun.length === 0 ? undefined : Promise.all(begun).then(() => undefined);
}

function whenComplete(
  observable: ObservableInput<unknown>,
  onStart: (stop: () => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const subscription = new Subscription();
    onStart(() => {
      try {
        subscription.unsubscribe();
      } catch (error) {
        reject(error); // its teardown is the user's, and part of the body
      }
    });
    // A promise may bring it when the attempt is over.
    if (!subscription.closed) {
      subscription.add(from(observable).subscribe({ error: reject, complete: resolve }));
    }
  });
}

type LazyKind = 'promise' | 'observable' | 'container' | 'iterator' | 'function';

/** Looking at a user's object may run a getter of it, which may throw: then it is none of these. */
function lazyKindOf(value: unknown): LazyKind | undefined {
  if (typeof value === 'function') {
    // A plain one may be what undoes the work, as listeners are given: the body need not call it.
    return /^\[object (?:Async|Generator)/.test(Object.prototype.toString.call(value))
      ? 'function'
      : undefined;
  }
  if (!isObject(value)) {
    return undefined;
  }
  try {
    if (Array.isArray(value)) {
      return 'container';
    }
    if (isPromise(value)) {
      return 'promise';
    }
    if (isObservable(value) || hasMethod(value, OBSERVABLE)) {
      return 'observable';
    }
    const isIterable = hasMethod(value, Symbol.iterator) || hasMethod(value, Symbol.asyncIterator);
    if (isIterable && hasMethod(value, 'next')) {
      return 'iterator';
    }
    return types.isMap(value) || types.isSet(value) || isPlainObject(value)
      ? 'container'
      : undefined;
  } catch {
    return undefined;
  }
}

/** No getter of an object is called. */
function valuesIn(container: object): unknown[] {
  try {
    return Array.isArray(container) || types.isMap(container) || types.isSet(container)
      ? [...container.values()]
      : Object.values(Object.getOwnPropertyDescriptors(container)).map(
          (each) => each.value as unknown,
        );
  } catch {
    return [];
  }
}

/** Where a library other than rxjs says that its object can be subscribed to; rxjs reads the same. */
const OBSERVABLE =
  (Symbol as unknown as { readonly observable?: symbol }).observable ?? '@@observable';

function isPromise(value: object): boolean {
  try {
    return hasMethod(value, 'then');
  } catch {
    return false;
  }
}

function hasMethod(value: object, key: PropertyKey): boolean {
  return typeof (value as Record<PropertyKey, unknown>)[key] === 'function';
}
