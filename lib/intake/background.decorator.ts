import 'reflect-metadata';
import { BackgroundMethodError } from '../errors/misuse.errors.js';
import { checkMethodOptions } from '../options/task-options.shape.js';
import { ambient, type MethodIntake } from '../task/ambient.js';
import {
  listBackgroundMethod,
  markBackgroundMethod,
  type BackgroundMethod,
} from '../task/background-method.js';
import { takeOver } from '../task/take-over.js';
import type { BackgroundOptions } from '../task/task-options.js';

/**
 * Only what returns nothing can run later: its caller goes on before it has run. The error that a
 * method returning a value gives is the type of this decorator not accepting it.
 * @inline
 */
export type BackgroundMethodDecorator = <Method extends (...args: never[]) => void | Promise<void>>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<Method>,
) => void;

/**
 * Turns calls of a provider's method into tasks. While a request is handled the task is collected
 * and starts after the response has closed; elsewhere it is queued at once. The promise that the
 * call returns resolves when the task is accepted, not when it has run.
 *
 * Inside its own running body the method is plain, and so it is on an object that Nest did not make
 * (`new Mailer()` in a unit test).
 *
 * @param options of all its tasks; a call through `addTask()` can have some of its own
 * @throws BackgroundMethodError on a getter, a static method, a property or a route, and where its
 * parentheses are missing
 * @throws UnknownOptionError, InvalidOptionError
 */
export function Background(options?: BackgroundOptions): BackgroundMethodDecorator;
export function Background(
  options?: BackgroundOptions,
  // Only where it stands as the decorator itself: its options are the prototype then.
  property?: string | symbol,
): BackgroundMethodDecorator {
  if (property !== undefined) {
    throw new BackgroundMethodError(
      memberName(options as object, property),
      'its parentheses are missing. Write @Background(), also where it has no options.',
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
      throw new BackgroundMethodError(member, `it stands on ${kind}; only a method can be called.`);
    }
    refuseRoute(method, member);
    if (options !== undefined) {
      checkMethodOptions(options, `@Background() on ${member}`);
    }
    const background: BackgroundMethod = {
      member,
      method: method as BackgroundMethod['method'],
      options: options === undefined ? undefined : Object.freeze({ ...options }),
    };
    listBackgroundMethod(target, key, background);
    descriptor.value = wrap(background);
  };
}

/** @throws BackgroundMethodError where `method` answers requests or messages */
export function refuseRoute(method: object, member: string): void {
  const isRoute = Reflect.hasMetadata('path', method) && Reflect.hasMetadata('method', method);
  if (isRoute || Reflect.hasMetadata('microservices:pattern', method)) {
    throw new BackgroundMethodError(
      member,
      'a handler has to answer its request. Decorate a method of a provider and call it from here.',
    );
  }
}

/**
 * The application that an object belongs to, known once it has been explored. Weak, and outside of
 * any application because a decorator runs before there is one.
 */
const intakes = new WeakMap<object, MethodIntake>();

export function bindToIntake(instance: object, intake: MethodIntake): void {
  intakes.set(instance, intake);
}

function wrap(background: BackgroundMethod): (...args: unknown[]) => unknown {
  const { method } = background;
  const wrapper = function (this: object, ...args: unknown[]): unknown {
    const here = ambient.getStore();
    const isOwnBody =
      here?.kind === 'task' && here.isRunning && here.task.definition?.method === method;
    const intake = intakes.get(this) ?? here?.intake;
    const accepted = isOwnBody ? undefined : intake?.addCall(background, this, args);
    return accepted ?? (method as (...all: unknown[]) => unknown).apply(this, args);
  };
  takeOver(method, wrapper);
  markBackgroundMethod(wrapper, background);
  return wrapper;
}

function memberName(target: object, key: string | symbol): string {
  const type = typeof target === 'function' ? target : target.constructor;
  return `${type.name}.${String(key)}`;
}
