import type { Engine } from '../engine/engine.js';
import { BackgroundMethodError, NotAFunctionError } from '../errors/misuse.errors.js';
import { NotStorableError } from '../errors/storage.errors.js';
import { describe } from '../options/checks.js';
import { isPlainObject } from '../task/json-value.js';
import type { ResolvedOptions } from '../options/resolved-options.js';
import {
  THIS_COPY,
  backgroundMethodOf,
  isMock,
  relationOf,
  type BackgroundMethod,
} from '../task/background-method.js';
import type { Clock } from '../task/clock.js';
import {
  readArgs,
  type StoredCall,
  type StoredTask,
  type TaskStorage,
} from '../task/stored-call.js';
import type { TaskOptions, TaskSettings } from '../task/task-options.js';
import type { TaskDefinition, TaskRegistry } from '../task/task-registry.js';
import { NO_ARGS, Task, type TaskHome } from '../task/task.js';
import type { CaptureWatch } from './captured-request.js';
import { checkSupport } from './check-support.js';
import { twoCopies } from './live-applications.js';
import { storeCall } from './stored-call.js';
import { keysOf } from './task-keys.js';

type Method = (...args: never[]) => unknown;

interface Call {
  /** The `@Background()` method that is called, if any. */
  readonly definition: TaskDefinition | undefined;
  /** The function to call; a mock may replace the method. */
  readonly fn: Method;
  /** `this` of the call; `undefined` if `definition` resolves it. */
  readonly target: object | undefined;
  readonly args: readonly unknown[];
  /** The options passed to `addTask()`, or those of a schedule. */
  readonly options?: TaskOptions | undefined;
  /** The request being handled, if known: it selects a request-scoped provider. */
  readonly request?: object | undefined;
}

/** Makes tasks of calls, and of stored calls. */
export class TaskMaker {
  constructor(
    private readonly home: TaskHome,
    private readonly options: ResolvedOptions,
    private readonly registry: TaskRegistry,
    private readonly engine: Engine,
    private readonly captures: CaptureWatch,
    private readonly clock: Clock,
  ) {}

  /**
   * @param call `addTask(fn, ...args)` or `addTask(options, fn, ...args)`
   * @param request the request being handled, if known
   * @throws BackgroundTasksError if the call, its options or its queue is not acceptable
   */
  ofCall(call: readonly unknown[], request?: object): Task {
    const [first, second] = call;
    if (isFunction(first)) {
      return this.ofFunction(first, undefined, call.slice(1), request);
    }
    if (!isPlainObject(first)) {
      throw new NotAFunctionError(describe(first));
    }
    if (!isFunction(second)) {
      throw new NotAFunctionError(`${describe(second)} after the options`);
    }
    return this.ofFunction(second, first, call.slice(2), request);
  }

  private ofFunction(
    fn: Method,
    options: TaskOptions | undefined,
    given: readonly unknown[],
    request: object | undefined,
  ): Task {
    const background = backgroundMethodOf(fn);
    const target = background && boundTargetOf(background);
    const definition =
      background === undefined
        ? this.registry.inPlaceOf(fn)
        : this.definitionOf(background, target);
    const isCalledItself = definition === undefined || isMock(fn);
    return this.of({
      definition,
      fn: isCalledItself ? fn : definition.method,
      target,
      args: background?.bound === undefined ? given : [...background.bound.args, ...given],
      options,
      request,
    });
  }

  /** @param target `undefined` for the provider */
  ofMethodCall(
    background: BackgroundMethod,
    target: object | undefined,
    args: readonly unknown[],
  ): Task {
    const definition = this.definitionOf(background, target);
    const { method: fn } = definition;
    return this.of({ definition, fn, target, args });
  }

  /** A call without arguments. */
  ofDefinition(definition: TaskDefinition, options: TaskOptions | undefined): Task {
    const { method: fn } = definition;
    return this.of({ definition, fn, target: undefined, args: NO_ARGS, options });
  }

  private definitionOf(
    { method, member, copy }: BackgroundMethod,
    target: object | undefined,
  ): TaskDefinition {
    if (copy !== THIS_COPY) {
      throw new BackgroundMethodError(member, twoCopies(copy, THIS_COPY));
    }
    return target === undefined
      ? this.registry.ofMethod(method, member)
      : this.registry.ofCall(method, member, target);
  }

  private of(call: Call): Task {
    const { definition, fn, target, options, request } = call;
    const settings =
      definition !== undefined && options === undefined
        ? definition.settings
        : this.options.forTask(options, definition?.declared);
    const name = options?.name ?? definition?.name ?? nameOf(fn);
    // One shared empty list keeps a million waiting tasks small.
    const args = call.args.length === 0 ? NO_ARGS : call.args;
    const keys = keysOf(settings, name, args);
    const { storage } = this.engine.supportOf(settings.queue);
    const now = this.clock.now();
    if (storage === undefined || (definition === undefined && takesMock(storage, fn))) {
      this.captures.look(name, args);
      const found = target === undefined ? ofRequest(definition, request) : definition;
      return new Task(this.home, name, settings, fn, target, args, found, now, keys);
    }
    const problem =
      definition === undefined ? 'it is a plain function' : this.problemOf(definition, name);
    if (definition === undefined || problem !== undefined) {
      const sentence = `${problem}, so no other process could find it.`;
      throw new NotStorableError(name, settings.queue, sentence);
    }
    if (options !== undefined) {
      checkSupport(this.engine, settings, `Task "${name}"`);
    }
    const captured = this.options.carriers.capture();
    const stored = storeCall(storage, name, settings.queue, args, options, captured);
    // The task runs with the stored arguments, as after a crash: later changes do not count.
    const copy = readArgs(stored.args, storage);
    const { method } = definition;
    const found = this.carried(definition, stored);
    const task = new Task(this.home, name, settings, method, target, copy, found, now, keys);
    task.stored = stored;
    return task;
  }

  /** Why no other process would find the task by the call's name. */
  private problemOf({ name, method, type, member, isProvided }: TaskDefinition, called: string) {
    const known = this.registry.get(name);
    if (called !== name) {
      return 'its name was changed for this call';
    }
    if (!isProvided) {
      return `the class of ${member} is not a provider of the application`;
    }
    return known?.method === method && known.type === type
      ? undefined
      : `${known?.member} and another ${member} have this name`;
  }

  /** A request-scoped provider gets the request restored from `carried`, here as after a crash. */
  private carried(definition: TaskDefinition, { carried }: StoredCall): TaskDefinition | undefined {
    return ofRequest(
      definition,
      definition.needsRequest ? this.options.carriers.requestOf(carried) : undefined,
    );
  }

  /**
   * Restores a stored task; `undefined` if no method here has its name.
   *
   * @throws BackgroundTasksError if the task cannot be made here
   */
  ofStored(stored: StoredTask): Task | undefined {
    const { queue, call, addedAt } = stored;
    const definition = this.registry.get(stored.name);
    if (definition === undefined) {
      return undefined;
    }
    const { name, method } = definition;
    const settings = this.settingsOfStored(call, queue, definition);
    const args = readArgs(call.args, this.engine.supportOf(settings.queue).storage);
    const keys = keysOf(settings, name, args);
    const found = this.carried(definition, call);
    const task = new Task(this.home, name, settings, method, undefined, args, found, addedAt, keys);
    task.comeBack(stored);
    return task;
  }

  /**
   * A stored task stays in its queue, whose engine holds it, even if the method has moved to
   * another one.
   */
  private settingsOfStored(
    { options }: StoredCall,
    queue: string,
    { settings, declared }: TaskDefinition,
  ): TaskSettings {
    const now = options === undefined ? settings : this.options.forTask(options, declared);
    return now.queue === queue || !this.options.queues.has(queue)
      ? now
      : this.options.forTask({ ...options, queue }, declared);
  }
}

function takesMock(storage: TaskStorage, fn: Method): boolean {
  return storage.takesMocks === true && isMock(fn);
}

/**
 * The object that a method was bound to with `bind()`, if any.
 *
 * @throws BackgroundMethodError if the method is not that object's own
 */
function boundTargetOf({ method, member, bound }: BackgroundMethod): object | undefined {
  const target = bound?.target;
  if (typeof target !== 'object' || target === null) {
    return undefined;
  }
  if (relationOf(method, target) !== 'own') {
    throw new BackgroundMethodError(
      member,
      'it is bound to an object that does not have it, or overrides it. Bind it to its own object, or ' +
        'call it there: await mailer.send(…).',
    );
  }
  return target;
}

/** @throws BackgroundMethodError if the provider is request-scoped and there is no request */
function ofRequest(
  definition: TaskDefinition | undefined,
  request: object | undefined,
): TaskDefinition | undefined {
  if (definition?.needsRequest !== true) {
    return definition;
  }
  const { resolveTarget, member } = definition;
  if (request === undefined) {
    throw new BackgroundMethodError(
      member,
      'its class is request-scoped (REQUEST), and no request is known here. Call the method on ' +
        'its object instead of passing it: await reports.build(…).',
    );
  }
  return { ...definition, resolveTarget: () => resolveTarget(request) };
}

function isFunction(value: unknown): value is Method {
  return typeof value === 'function';
}

/** The prefix that `bind()` puts before a name. */
const BOUND = 'bound ';

/** Not always a string: a class may have a static member `name`. */
function nameOf({ name }: { readonly name: unknown }): string {
  const given = typeof name === 'string' ? name : '';
  return (given.startsWith(BOUND) ? given.slice(BOUND.length) : given) || 'anonymous';
}
