import { randomUUID } from 'node:crypto';
import { unsupportedOption, type Engine } from '../engine/engine.js';
import { NotAFunctionError } from '../errors/misuse.errors.js';
import {
  NotStorableError,
  TransactionError,
  UnsupportedOptionError,
} from '../errors/storage.errors.js';
import type { Observer } from '../observe/observer.js';
import { describe, isPlainObject } from '../options/checks.js';
import type { ResolvedOptions } from '../options/resolved-options.js';
import { ambient } from '../task/ambient.js';
import { backgroundMethodOf, type BackgroundMethod } from '../task/background-method.js';
import type { Clock } from '../task/clock.js';
import type { StoredCall, StoredTask, TaskStorage } from '../task/stored-call.js';
import { TaskHandle } from '../task/task-handle.js';
import type { TaskOptions, TaskSettings } from '../task/task-options.js';
import type { TaskDefinition, TaskRegistry } from '../task/task-registry.js';
import type { TransactionClient } from '../task/transaction-client.js';
import { NO_ARGS, Task, type TaskHome, type TaskKeys } from '../task/task.js';
import { CaptureWatch } from './captured-request.js';
import { Collection } from './collection.js';
import { storeCall } from './stored-call.js';
import type { TaskChain } from './task-chain.js';
import { keysOf } from './task-keys.js';

/** Makes tasks of calls, and sends each where it belongs: into the request's collection, or off. */
export class TaskIntake implements TaskHome {
  private readonly captures = new CaptureWatch((name, what, position) =>
    this.observer.log.captured(name, what, position),
  );

  constructor(
    private readonly options: ResolvedOptions,
    private readonly registry: TaskRegistry,
    private readonly engine: Engine,
    private readonly observer: Observer,
    private readonly clock: Clock,
  ) {}

  /**
   * Adds a task to `collection`, or queues it at once where there is none, or none any more.
   *
   * @param call the arguments of `addTask()`
   * @param chain the chain that it is the next task of
   * @throws BackgroundTasksError where the call, its options or its queue is not acceptable
   */
  add(call: readonly unknown[], collection: Collection | undefined, chain?: TaskChain): TaskHandle {
    const task = this.read(call);
    const duplicate = this.duplicateOf(task, collection);
    if (duplicate !== undefined) {
      return new TaskHandle(duplicate);
    }
    this.admit(task, collection);
    void this.send(task, collection, chain);
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
    const { settings, name } = definition;
    const task = this.taskOf(settings, name, method, target, args, definition);
    const collection = this.collectionHere();
    if (this.duplicateOf(task, collection) !== undefined) {
      return Promise.resolve();
    }
    this.admit(task, collection);
    return Promise.resolve(this.send(task, collection));
  }

  /**
   * Stores a task in a transaction of the caller's.
   *
   * @param client where it is open
   * @param call the arguments of `addTask()`
   * @returns the task's id, or that of the one that stands for its `dedupe` key
   * @throws BackgroundTasksError where the call, its options or its queue is not acceptable
   */
  async addWithin(client: TransactionClient, call: readonly unknown[]): Promise<string> {
    const task = this.read(call);
    const id = await this.storeWithin(client, task);
    if (id === task.id) {
      this.observer.added(task);
    }
    if (id === undefined) {
      throw new TransactionError(
        task.name,
        task.queue,
        `queue "${task.queue}" is not kept in PostgreSQL. Give it, or the module, an engine that ` +
          "is: bullmq({ connection: 'postgres://…' }).",
      );
    }
    return id;
  }

  private async storeWithin(client: TransactionClient, task: Task): Promise<string | undefined> {
    let id: string | undefined;
    try {
      id = await this.engine.storeWithin?.(client, task);
      return id;
    } finally {
      if (id !== task.id) {
        this.observer.forget(task);
      }
    }
  }

  /** The same call as a failed task's, queued at once as a new task with the same id. */
  again(failed: Task): TaskHandle {
    const task = failed.again(this.clock.now());
    this.engine.admit(task);
    this.observer.restarted(failed, task);
    void this.send(task, undefined);
    return new TaskHandle(task);
  }

  mintId(task: Task): string {
    const id = randomUUID();
    this.observer.minted(id, task);
    return id;
  }

  cancel(task: Task): boolean | Promise<boolean> {
    return this.engine.cancel(task);
  }

  watch(task: Task): void {
    this.engine.shared?.watch(task);
  }

  progressed(task: Task): void {
    this.engine.shared?.progressed(task);
  }

  logged(task: Task, line: string): void {
    this.engine.shared?.logged(task, line);
  }

  /** @throws UnsupportedOptionError where the queue's engine cannot do what the settings ask for */
  checkSupport(settings: TaskSettings, subject: string): void {
    const support = this.engine.supportOf?.(settings.queue);
    const option = support && unsupportedOption(support, settings);
    if (support !== undefined && option !== undefined) {
      throw new UnsupportedOptionError(subject, option, settings.queue, support.engine);
    }
  }

  /** The open collection of the request that the calling code handles, if it handles one. */
  collectionHere(): Collection | undefined {
    const here = ambient.getStore();
    return here instanceof Collection && here.intake === this ? here.nearestOpen : undefined;
  }

  /** `addTask(fn, ...args)` or `addTask(options, fn, ...args)`. */
  private read(call: readonly unknown[]): Task {
    const [first, second] = call;
    if (isFunction(first)) {
      return this.taskOfCall(undefined, first, call.length === 1 ? NO_ARGS : call.slice(1));
    }
    if (!isPlainObject(first)) {
      throw new NotAFunctionError(describe(first));
    }
    if (!isFunction(second)) {
      throw new NotAFunctionError(`${describe(second)} after the options`);
    }
    return this.taskOfCall(first, second, call.length === 2 ? NO_ARGS : call.slice(2));
  }

  private taskOfCall(
    options: TaskOptions | undefined,
    fn: (...args: never[]) => unknown,
    args: readonly unknown[],
  ): Task {
    const background = backgroundMethodOf(fn);
    if (background === undefined) {
      const settings = this.options.forTask(options, undefined);
      return this.taskOf(settings, settings.name ?? nameOf(fn), fn, undefined, args, undefined);
    }
    const definition = this.registry.ofMethod(background.method, background.member);
    const settings =
      options === undefined
        ? definition.settings
        : this.options.forTask(options, background.options);
    const name = options?.name ?? definition.name;
    return this.taskOf(settings, name, background.method, undefined, args, definition, options);
  }

  private taskOf(
    settings: TaskSettings,
    name: string,
    fn: (...args: never[]) => unknown,
    target: object | undefined,
    args: readonly unknown[],
    definition: TaskDefinition | undefined,
    options?: TaskOptions,
  ): Task {
    const keys = keysOf(settings, name, args);
    const storage = this.engine.storageOf(settings.queue);
    if (storage !== undefined) {
      return this.storableTaskOf(storage, settings, name, target, args, definition, options, keys);
    }
    this.captures.look(name, args);
    return new Task(this, name, settings, fn, target, args, definition, this.clock.now(), keys);
  }

  /** What will run is what was written down, here as after a crash: later changes do not count. */
  private storableTaskOf(
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
      this.checkSupport(settings, `Task "${name}"`);
    }
    const captured = this.options.carriers.capture();
    const stored = storeCall(storage, name, queue, args, options, captured);
    const copy = readArgs(stored, storage);
    const now = this.clock.now();
    const task = new Task(
      this,
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

  /** A task that comes back from a store, or `undefined` if no method here has its name. */
  restore(
    { id, name, call, addedAt, attempts }: StoredTask,
    isReturning: boolean,
  ): Task | undefined {
    const definition = this.registry.get(name);
    if (definition === undefined) {
      return undefined;
    }
    const settings =
      call.options === undefined
        ? definition.settings
        : this.options.forTask(call.options, definition.declared);
    const storage = this.engine.storageOf(settings.queue);
    const args = readArgs(call, storage);
    const keys = keysOf(settings, definition.name, args);
    const { method, name: taskName } = definition;
    const task = new Task(
      this,
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
    this.observer.minted(id, task);
    if (isReturning) {
      this.observer.returned(task);
    } else {
      this.observer.added(task);
    }
    return task;
  }

  private duplicateOf({ keys }: Task, collection: Collection | undefined): Task | undefined {
    const key = keys?.dedupe;
    return key === undefined
      ? undefined
      : (collection?.duplicateOf(key) ?? this.engine.duplicateOf(key));
  }

  private admit(task: Task, collection: Collection | undefined): void {
    try {
      this.engine.admit(task);
    } catch (error) {
      (collection ?? this.collectionHere())?.refused(error);
      throw error;
    }
    this.observer.added(task);
  }

  private send(
    task: Task,
    collection: Collection | undefined,
    chain?: TaskChain,
  ): PromiseLike<void> | void {
    const predecessor = chain?.link.last;
    if (chain !== undefined) {
      task.chain = chain.link.chain;
      chain.link.last = task;
    }
    if (collection?.isOpen) {
      return collection.add(task);
    }
    task.isCommitted = true;
    const stored = this.engine.commit([task], false, predecessor);
    if (stored === undefined) {
      return this.release(task, predecessor);
    }
    const released = stored.then(
      () => this.release(task, predecessor),
      (error: unknown) => {
        if (!task.isOver) {
          this.engine.discard(task);
          this.observer.dropped(task, 'not-stored');
        }
        throw error;
      },
    );
    // The handle tells it, and the log: a caller who does not wait must not bring the process down.
    released.catch(() => undefined);
    return released;
  }

  private release(task: Task, predecessor: Task | undefined): PromiseLike<void> | void {
    if (task.isOver) {
      return undefined; // the store knew another one with its dedupe key, or it was cancelled meanwhile
    }
    const handedOver =
      predecessor === undefined ? this.engine.release(task) : this.engine.follow(predecessor, task);
    this.observer.queued(task);
    return handedOver;
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

function nameOf(fn: { readonly name: string }): string {
  const { name } = fn;
  return (name.startsWith(BOUND) ? name.slice(BOUND.length) : name) || 'anonymous';
}
