import type { Engine } from '../engine/engine.js';
import { NotAFunctionError } from '../errors/misuse.errors.js';
import { NotStorableError } from '../errors/storage.errors.js';
import { describe, isPlainObject } from '../options/checks.js';
import type { ResolvedOptions } from '../options/resolved-options.js';
import { backgroundMethodOf } from '../task/background-method.js';
import type { Clock } from '../task/clock.js';
import type { StoredCall, StoredTask, TaskStorage } from '../task/stored-call.js';
import type { TaskOptions, TaskSettings } from '../task/task-options.js';
import type { TaskDefinition, TaskRegistry } from '../task/task-registry.js';
import { NO_ARGS, Task, type TaskHome, type TaskKeys } from '../task/task.js';
import type { CaptureWatch } from './captured-request.js';
import { checkSupport } from './check-support.js';
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
   * @throws BackgroundTasksError where the call, its options or its queue is not acceptable
   */
  ofCall(call: readonly unknown[]): Task {
    const [first, second] = call;
    if (isFunction(first)) {
      return this.withOptions(undefined, first, call.length === 1 ? NO_ARGS : call.slice(1));
    }
    if (!isPlainObject(first)) {
      throw new NotAFunctionError(describe(first));
    }
    if (!isFunction(second)) {
      throw new NotAFunctionError(`${describe(second)} after the options`);
    }
    return this.withOptions(first, second, call.length === 2 ? NO_ARGS : call.slice(2));
  }

  private withOptions(
    options: TaskOptions | undefined,
    fn: (...args: never[]) => unknown,
    args: readonly unknown[],
  ): Task {
    const background = backgroundMethodOf(fn);
    if (background === undefined) {
      const settings = this.options.forTask(options, undefined);
      return this.of(settings, settings.name ?? nameOf(fn), fn, undefined, args, undefined);
    }
    const definition = this.registry.ofMethod(background.method, background.member);
    return this.ofDefinition(definition, options, args);
  }

  /**
   * @param options what was passed to `addTask()`, or a schedule needs
   * @throws BackgroundTasksError where the options or the arguments are not acceptable
   */
  ofDefinition(
    definition: TaskDefinition,
    options: TaskOptions | undefined,
    args: readonly unknown[],
  ): Task {
    const settings =
      options === undefined
        ? definition.settings
        : this.options.forTask(options, definition.declared);
    const name = options?.name ?? definition.name;
    return this.of(settings, name, definition.method, undefined, args, definition, options);
  }

  /**
   * @param target `this` of the call; `undefined` where `definition` resolves it
   * @param definition the `@Background()` method it is a call of, if it is one
   * @param options what was passed to `addTask()`
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
  ): Task {
    const keys = keysOf(settings, name, args);
    const storage = this.engine.supportOf(settings.queue).storage;
    if (storage !== undefined) {
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
      definition,
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
    if (definition === undefined || definition.name !== name) {
      throw new NotStorableError(
        name,
        queue,
        definition === undefined
          ? 'it is a plain function, which no other process could find again.'
          : 'its name was changed for this call, and no other process could find it again.',
      );
    }
    if (options !== undefined) {
      checkSupport(this.engine, settings, `Task "${name}"`);
    }
    const captured = this.options.carriers.capture();
    const stored = storeCall(storage, name, queue, args, options, captured);
    const copy = readArgs(stored, storage);
    const now = this.clock.now();
    const task = new Task(
      this.home,
      name,
      settings,
      definition.method,
      target,
      copy,
      definition,
      now,
      keys,
    );
    task.stored = stored;
    return task;
  }

  /**
   * A task that comes back from a store, or `undefined` if no method here has its name.
   *
   * @throws BackgroundTasksError where it cannot be made again here
   */
  ofStored({ id, name, queue, call, addedAt, attempts }: StoredTask): Task | undefined {
    const definition = this.registry.get(name);
    if (definition === undefined) {
      return undefined;
    }
    const settings = this.settingsOfStored(call, queue, definition);
    const storage = this.engine.supportOf(settings.queue).storage;
    const args = readArgs(call, storage);
    const keys = keysOf(settings, definition.name, args);
    const { method, name: taskName } = definition;
    const task = new Task(
      this.home,
      taskName,
      settings,
      method,
      undefined,
      args,
      definition,
      addedAt,
      keys,
    );
    task.comeBack(id, attempts, call);
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

function readArgs({ args }: StoredCall, storage: TaskStorage | undefined): unknown[] {
  const { serializer } = storage ?? {};
  return serializer === undefined ? (JSON.parse(args) as unknown[]) : serializer.deserialize(args);
}

function isFunction(value: unknown): value is (...args: never[]) => unknown {
  return typeof value === 'function';
}

/** Before the name of what `bind()` has made. */
const BOUND = 'bound ';

/** A static `name` of a class stands in the place of its own, and may be anything. */
function nameOf({ name }: { readonly name: unknown }): string {
  const given = typeof name === 'string' ? name : '';
  return (given.startsWith(BOUND) ? given.slice(BOUND.length) : given) || 'anonymous';
}
