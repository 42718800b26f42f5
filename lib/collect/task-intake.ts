import { randomUUID } from 'node:crypto';
import type { Engine } from '../engine/engine.js';
import { NotAFunctionError } from '../errors/misuse.errors.js';
import type { TaskEvents } from '../observe/task-events.js';
import { describe, isPlainObject } from '../options/checks.js';
import type { ResolvedOptions } from '../options/resolved-options.js';
import { ambient } from '../task/ambient.js';
import { backgroundMethodOf, type BackgroundMethod } from '../task/background-method.js';
import type { Clock } from '../task/clock.js';
import { TaskHandle } from '../task/task-handle.js';
import type { TaskOptions, TaskSettings } from '../task/task-options.js';
import type { TaskDefinition, TaskRegistry } from '../task/task-registry.js';
import { Task, type TaskHome } from '../task/task.js';
import { Collection } from './collection.js';

/** A function to call later; what it returns is not looked at, a promise is awaited. */
export type TaskFunction<Args extends unknown[]> = (...args: Args) => unknown;

/** Makes tasks of calls, and sends each where it belongs: into the request's collection, or off. */
export class TaskIntake implements TaskHome {
  constructor(
    private readonly options: ResolvedOptions,
    private readonly registry: TaskRegistry,
    private readonly engine: Engine,
    private readonly events: TaskEvents,
    private readonly clock: Clock,
  ) {}

  /**
   * Adds a task to `collection`, or queues it at once where there is none, or none any more.
   *
   * @param call the arguments of `addTask()`
   * @throws BackgroundTasksError where the call, its options or its queue is not acceptable
   */
  add(call: readonly unknown[], collection: Collection | undefined): TaskHandle {
    const task = this.create(call);
    void this.send(task, collection);
    return new TaskHandle(task);
  }

  addCall(
    { method }: BackgroundMethod,
    target: object,
    args: readonly unknown[],
  ): Promise<void> | undefined {
    const definition = this.registry.ofCall(method, target);
    if (definition === undefined) {
      return undefined;
    }
    const task = this.admit(definition.settings, definition.name, method, target, args, definition);
    return Promise.resolve(this.send(task, this.collectionHere()));
  }

  mintId(): string {
    return randomUUID();
  }

  cancel(task: Task): boolean {
    return this.engine.cancel(task);
  }

  /** The open collection of the request that the calling code handles, if it handles one. */
  collectionHere(): Collection | undefined {
    const here = ambient.getStore();
    return here instanceof Collection && here.intake === this && here.isOpen ? here : undefined;
  }

  private create(call: readonly unknown[]): Task {
    const { options, fn, args } = parseCall(call);
    const background = backgroundMethodOf(fn);
    if (background === undefined) {
      const settings = this.options.forTask(options, undefined);
      return this.admit(settings, settings.name ?? nameOf(fn), fn, undefined, args, undefined);
    }
    const definition = this.registry.ofMethod(background.method, background.member);
    const settings =
      options === undefined
        ? definition.settings
        : this.options.forTask(options, background.options);
    const name = options?.name ?? definition.name;
    return this.admit(settings, name, background.method, undefined, args, definition);
  }

  private admit(
    settings: TaskSettings,
    name: string,
    fn: (...args: never[]) => unknown,
    target: object | undefined,
    args: readonly unknown[],
    definition: TaskDefinition | undefined,
  ): Task {
    const now = this.clock.now();
    const task = new Task(this, name, settings, fn, target, args, definition, now);
    this.engine.admit(task);
    this.events.emit('added', task, {});
    return task;
  }

  private send(task: Task, collection: Collection | undefined): Promise<void> | void {
    if (collection?.isOpen) {
      return collection.add(task);
    }
    const stored = this.engine.commit([task]);
    return stored === undefined ? this.release(task) : stored.then(() => this.release(task));
  }

  private release(task: Task): void {
    this.engine.release(task);
    this.events.emit('queued', task, {});
  }
}

interface Call {
  readonly options: TaskOptions | undefined;
  readonly fn: (...args: never[]) => unknown;
  readonly args: readonly unknown[];
}

/** `addTask(fn, ...args)` or `addTask(options, fn, ...args)`. */
function parseCall(call: readonly unknown[]): Call {
  const [first, second] = call;
  if (isFunction(first)) {
    return { options: undefined, fn: first, args: call.slice(1) };
  }
  if (!isPlainObject(first)) {
    throw new NotAFunctionError(describe(first));
  }
  if (!isFunction(second)) {
    throw new NotAFunctionError(`${describe(second)} after the options`);
  }
  return { options: first, fn: second, args: call.slice(2) };
}

function isFunction(value: unknown): value is (...args: never[]) => unknown {
  return typeof value === 'function';
}

function nameOf(fn: { readonly name: string }): string {
  return fn.name.replace(/^bound /, '') || 'anonymous';
}
