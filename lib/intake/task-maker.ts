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
import { NO_ARGS, Task, type TaskHome, type TaskKeys } from '../task/task.js';
import type { CaptureWatch } from './captured-request.js';
import { checkSupport } from './check-support.js';
import { twoCopies } from './live-applications.js';
import { storeCall } from './stored-call.js';
import { keysOf } from './task-keys.js';

/** Makes a task of a call, of one that was written down, too. */
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
   * @param request the one that is being handled, if it is known
   * @throws BackgroundTasksError where the call, its options or its queue is not acceptable
   */
  ofCall(call: readonly unknown[], request?: object): Task {
    const [first, second] = call;
    if (isFunction(first)) {
      const args = call.length === 1 ? NO_ARGS : call.slice(1);
      return this.withOptions(undefined, first, args, request);
    }
    if (!isPlainObject(first)) {
      throw new NotAFunctionError(describe(first));
    }
    if (!isFunction(second)) {
      throw new NotAFunctionError(`${describe(second)} after the options`);
    }
    return this.withOptions(first, second, call.length === 2 ? NO_ARGS : call.slice(2), request);
  }

  /** @param target `undefined` for the provider */
  ofMethodCall(
    { method, member }: BackgroundMethod,
    target: object | undefined,
    args: readonly unknown[],
  ): Task {
    const definition =
      target === undefined
        ? this.registry.ofMethod(method, member)
        : this.registry.ofCall(method, member, target);
    return this.of(definition.settings, definition.name, method, target, args, definition);
  }

  private withOptions(
    options: TaskOptions | undefined,
    fn: Method,
    args: readonly unknown[],
    request: object | undefined,
  ): Task {
    const background = backgroundMethodOf(fn);
    const definition =
      background === undefined ? this.registry.inPlaceOf(fn) : this.definitionOf(background);
    if (definition === undefined) {
      const settings = this.options.forTask(options, undefined);
      return this.of(settings, settings.name ?? nameOf(fn), fn, undefined, args, undefined);
    }
    const target = targetOf(background);
    return this.ofDefinition(
      definition,
      options,
      background?.bound === undefined ? args : [...background.bound.args, ...args],
      target,
      request,
      isMock(fn) ? fn : undefined,
    );
  }

  /**
   * @param options what was passed to `addTask()`, or a schedule needs
   * @param target `undefined` for the provider
   * @param request the one whose provider is meant
   * @param mock what is called in place of the method
   * @throws BackgroundTasksError where the options or the arguments are not acceptable
   */
  ofDefinition(
    definition: TaskDefinition,
    options: TaskOptions | undefined,
    args: readonly unknown[],
    target?: object,
    request?: object,
    mock?: Method,
  ): Task {
    const settings =
      options === undefined
        ? definition.settings
        : this.options.forTask(options, definition.declared);
    const name = options?.name ?? definition.name;
    const fn = mock ?? definition.method;
    return this.of(settings, name, fn, target, args, definition, options, request);
  }

  private definitionOf(background: BackgroundMethod): TaskDefinition {
    const { method, member, copy } = background;
    if (copy !== THIS_COPY) {
      throw new BackgroundMethodError(member, twoCopies(copy, THIS_COPY));
    }
    const target = targetOf(background);
    return target === undefined
      ? this.registry.ofMethod(method, member)
      : this.registry.ofCall(method, member, target);
  }

  /**
   * @param target `this` of the call; `undefined` where `definition` resolves it
   * @param definition the `@Background()` method it is a call of, if it is one
   * @param options what was passed to `addTask()`
   * @param request the one whose provider is meant
   * @throws BackgroundTasksError where the settings or the arguments are not acceptable
   */
  of(
    settings: TaskSettings,
    name: string,
    fn: (...args: never[]) => unknown,
    target: object | undefined,
    args: readonly unknown[],
    definition: TaskDefinition | undefined,
    options?: TaskOptions,
    request?: object,
  ): Task {
    const keys = keysOf(settings, name, args);
    const storage = this.engine.supportOf(settings.queue).storage;
    const isMocked = definition === undefined && storage?.takesMocks === true && isMock(fn);
    if (storage !== undefined && !isMocked) {
      return this.storable(storage, settings, name, target, args, definition, options, keys);
    }
    this.captures.look(name, args);
    return new Task(
      this.home,
      name,
      settings,
      fn,
      target,
      args,
      target === undefined ? ofRequest(definition, request) : definition,
      this.clock.now(),
      keys,
    );
  }

  /** What will run is what was written down, here as after a crash: later changes do not count. */
  private storable(
    storage: TaskStorage,
    settings: TaskSettings,
    name: string,
    target: object | undefined,
    args: readonly unknown[],
    definition: TaskDefinition | undefined,
    options: TaskOptions | undefined,
    keys: TaskKeys | undefined,
  ): Task {
    const { queue } = settings;
    if (definition === undefined) {
      const problem = 'it is a plain function, which no other process could find again.';
      throw new NotStorableError(name, queue, problem);
    }
    const problem = this.problemOf(definition, name);
    if (problem !== undefined) {
      throw new NotStorableError(
        name,
        queue,
        `${problem}, and no other process could find it again.`,
      );
    }
    if (options !== undefined) {
      checkSupport(this.engine, settings, `Task "${name}"`);
    }
    const { carriers } = this.options;
    const captured = carriers.capture();
    const stored = storeCall(storage, name, queue, args, options, captured);
    const copy = readArgs(stored.args, storage);
    const now = this.clock.now();
    const task = new Task(
      this.home,
      name,
      settings,
      definition.method,
      target,
      copy,
      this.carried(definition, stored),
      now,
      keys,
    );
    task.stored = stored;
    return task;
  }

  /** Why no other process would find the task by its name. */
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

  /** Its provider is made for the request as it is made again, here as after a crash. */
  private carried(definition: TaskDefinition, { carried }: StoredCall): TaskDefinition | undefined {
    return ofRequest(
      definition,
      definition.needsRequest ? this.options.carriers.requestOf(carried) : undefined,
    );
  }

  /**
   * A task that comes back from a store, or `undefined` if no method here has its name.
   *
   * @throws BackgroundTasksError where it cannot be made again here
   */
  ofStored(stored: StoredTask): Task | undefined {
    const { name, queue, call, addedAt } = stored;
    const definition = this.registry.get(name);
    if (definition === undefined) {
      return undefined;
    }
    const settings = this.settingsOfStored(call, queue, definition);
    const storage = this.engine.supportOf(settings.queue).storage;
    const args = readArgs(call.args, storage);
    const keys = keysOf(settings, definition.name, args);
    const { method, name: taskName } = definition;
    const task = new Task(
      this.home,
      taskName,
      settings,
      method,
      undefined,
      args,
      this.carried(definition, call),
      addedAt,
      keys,
    );
    task.comeBack(stored);
    return task;
  }

  /** It stays in the queue that it is in, whose engine has it: its method may have another one by now. */
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

type Method = (...args: never[]) => unknown;

/** What a bound copy of a method is bound to, where that is an object which has the method. */
function targetOf(background: BackgroundMethod | undefined): object | undefined {
  const target = background?.bound?.target;
  return background !== undefined && relationOf(background.method, target) === 'own'
    ? (target as object)
    : undefined;
}

/** @throws BackgroundMethodError where its provider is made for a request, and there is none */
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
      'its class is made for a request (REQUEST), and it is not known here which one is meant. Call ' +
        'the method on its object in place of passing it: await reports.build(…).',
    );
  }
  return { ...definition, resolveTarget: () => resolveTarget(request) };
}

function isFunction(value: unknown): value is Method {
  return typeof value === 'function';
}

/** Before the name of what `bind()` has made. */
const BOUND = 'bound ';

/** A static `name` of a class stands in the place of its own, and may be anything. */
function nameOf({ name }: { readonly name: unknown }): string {
  const given = typeof name === 'string' ? name : '';
  return (given.startsWith(BOUND) ? given.slice(BOUND.length) : given) || 'anonymous';
}
