import { types } from 'node:util';
import 'reflect-metadata';
import { BackgroundMethodError } from '../errors/misuse.errors.js';
import { checkMethodOptions } from '../options/task-options.shape.js';
import {
  THIS_COPY,
  backgroundMethodOf,
  listBackgroundMethod,
  markBackgroundMethod,
  type BackgroundMethod,
} from '../task/background-method.js';
import { takeOver } from '../task/take-over.js';
import type { BackgroundOptions } from '../task/task-options.js';
import { callBackground } from './background-call.js';

/**
 * Accepts only methods that return nothing, because the caller goes on before the method has run.
 * Other methods do not match this type, which is the compile error.
 * @inline
 */
export type BackgroundMethodDecorator = <Method extends (...args: never[]) => void | Promise<void>>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<Method>,
) => void;

/**
 * Turns calls of a provider's method into tasks. In a request the task is collected and starts
 * after the response has closed. Elsewhere it is queued at once. The promise that the call returns
 * resolves when the task is accepted, not when it has run.
 *
 * In a process with an application every call is a task: from the method's own body, from a
 * constructor, or on an object that Nest did not make. Without an application, as in a unit test,
 * the method just runs.
 *
 * @param options options of all its tasks; those of an `addTask()` call override them
 * @throws BackgroundMethodError on a getter, a static method, a property, a generator or a route, if
 * it is there twice, and if the parentheses are missing
 * @throws UnknownOptionError, InvalidOptionError
 */
export function Background(options?: BackgroundOptions): BackgroundMethodDecorator;
export function Background(
  options?: BackgroundOptions,
  // Set only for `@Background` without parentheses; `options` is the prototype then.
  property?: string | symbol,
): BackgroundMethodDecorator {
  if (property !== undefined) {
    throw new BackgroundMethodError(
      memberName(options as object, property),
      'the parentheses are missing. Write @Background(), even without options.',
    );
  }
  return (target, key, descriptor: PropertyDescriptor | undefined) => {
    const member = memberName(target, key);
    const method: unknown = descriptor?.value;
    if (typeof target === 'function') {
      throw new BackgroundMethodError(member, 'a static method has no provider to run on.');
    }
    if (descriptor === undefined || typeof method !== 'function') {
      const kind = descriptor === undefined || 'value' in descriptor ? 'a property' : 'an accessor';
      throw new BackgroundMethodError(member, `it decorates ${kind}, and works only on methods.`);
    }
    if (types.isGeneratorFunction(method)) {
      throw new BackgroundMethodError(
        member,
        'a generator runs only while it is read. Call it from an async method, and decorate that.',
      );
    }
    if (backgroundMethodOf(method) !== undefined) {
      throw new BackgroundMethodError(member, 'it is decorated already. Put all options into one.');
    }
    refuseRoute(method, member);
    if (options !== undefined) {
      checkMethodOptions(options, `@Background() on ${member}`);
    }
    const background: BackgroundMethod = {
      member,
      method: method as BackgroundMethod['method'],
      options: options === undefined ? undefined : Object.freeze({ ...options }),
      copy: THIS_COPY,
    };
    listBackgroundMethod(target, key, background);
    descriptor.value = wrap(background);
  };
}

/** @throws BackgroundMethodError if `method` handles requests or messages */
export function refuseRoute(method: object, member: string): void {
  const isRoute = Reflect.hasMetadata('path', method) && Reflect.hasMetadata('method', method);
  if (isRoute || Reflect.hasMetadata('microservices:pattern', method)) {
    throw new BackgroundMethodError(
      member,
      'a handler has to answer its request. Decorate a method of a provider and call it from here.',
    );
  }
}

function wrap(background: BackgroundMethod): (...args: unknown[]) => unknown {
  const wrapper = function (this: unknown, ...args: unknown[]): unknown {
    return callBackground(background, this, args);
  };
  takeOver(background.method, wrapper);
  markBackgroundMethod(wrapper, background);
  // The result of the built-in `bind()` would carry no mark.
  Object.defineProperty(wrapper, 'bind', {
    value: function bind(this: typeof wrapper, target: unknown, ...args: unknown[]) {
      const copy = Function.prototype.bind.call(this, target, ...args) as typeof wrapper;
      markBackgroundMethod(copy, { ...background, bound: { target, args } });
      return copy;
    },
    configurable: true,
    writable: true,
  });
  return wrapper;
}

function memberName(target: object, key: string | symbol): string {
  const type = typeof target === 'function' ? target : target.constructor;
  return `${type.name}.${String(key)}`;
}
