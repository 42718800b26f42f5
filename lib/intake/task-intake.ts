import { AsyncResource } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { Engine } from '../engine/engine.js';
import { ChainError } from '../errors/misuse.errors.js';
import type { Observer } from '../observe/observer.js';
import type { ResolvedOptions } from '../options/resolved-options.js';
import { ambient, type OpenRequest } from '../task/ambient.js';
import type { BackgroundMethod } from '../task/background-method.js';
import type { Clock } from '../task/clock.js';
import { admitAll, follow, join, lineUp } from '../task/line.js';
import type { StoredCall, StoredTask } from '../task/stored-call.js';
import { TaskHandle } from '../task/task-handle.js';
import type { TaskRegistry } from '../task/task-registry.js';
import type { Chain, Task, TaskHome } from '../task/task.js';
import { CaptureWatch } from './captured-request.js';
import { Delivery } from './delivery.js';
import { TaskMaker } from './task-maker.js';
import { WaitWatch } from './wait-watch.js';

/** Turns calls into tasks, and adds each to the request's collection or queues it at once. */
export class TaskIntake implements TaskHome {
  readonly context = new AsyncResource('BackgroundTasks', { requireManualDestroy: true });
  /** Makes tasks without adding them: see {@link put}. */
  readonly maker: TaskMaker;
  private readonly waits: WaitWatch;
  private readonly delivery: Delivery;

  constructor(
    options: ResolvedOptions,
    private readonly registry: TaskRegistry,
    private readonly engine: Engine,
    private readonly observer: Observer,
    private readonly clock: Clock,
  ) {
    const captures = new CaptureWatch((...capture) => observer.log.captured(...capture));
    this.waits = new WaitWatch(
      (queue) => options.queues.get(queue)?.concurrency ?? Number.POSITIVE_INFINITY,
      (waiter, awaited) => observer.log.waitsForItself(waiter, awaited),
    );
    this.delivery = new Delivery(engine, observer);
    this.maker = new TaskMaker(this, options, registry, engine, captures, clock);
  }

  /**
   * Adds a task to `open`, or queues it at once if there is no open request.
   *
   * @param call the arguments of `addTask()`
   * @param chain the chain that the task belongs to, as its next one
   * @param request the request being handled, for request-scoped providers
   * @throws BackgroundTasksError if the call, its options or its queue is not acceptable
   */
  add(
    call: readonly unknown[],
    open: OpenRequest | undefined,
    chain?: Chain,
    request?: object,
  ): TaskHandle {
    return this.put(this.maker.ofCall(call, request), open, chain);
  }

  /** Makes a task of a stored call without adding it; `undefined` if no method here has its name. */
  makeStored(name: string, queue: string, call: StoredCall): Task | undefined {
    const addedAt = this.clock.now();
    return this.ofStored({ id: randomUUID(), name, queue, call, addedAt, attempts: 0 });
  }

  /** Whether a method here has this task name. */
  knows(name: string): boolean {
    return this.registry.get(name) !== undefined;
  }

  /** A task made here has been stored. */
  stored(task: Task): void {
    this.observer.added(task);
  }

  /** A task made here will not be added. */
  forget(task: Task): void {
    this.observer.forget(task);
  }

  /** Adds a task made here, as {@link add} does. */
  put(task: Task, request?: OpenRequest, chain?: Chain): TaskHandle {
    this.checkChain(chain, task);
    const duplicate = this.duplicateOf(task, request);
    if (duplicate !== undefined) {
      return new TaskHandle(duplicate);
    }
    this.admit(task, request);
    if (chain !== undefined) {
      join(chain, task);
    }
    void this.send(task, request);
    return new TaskHandle(task);
  }

  addCall(
    background: BackgroundMethod,
    target: object | undefined,
    args: readonly unknown[],
  ): Promise<void> {
    const task = this.maker.ofMethodCall(background, target, args);
    const request = this.requestHere();
    if (this.duplicateOf(task, request) !== undefined) {
      return Promise.resolve();
    }
    this.admit(task, request);
    return Promise.resolve(this.send(task, request));
  }

  /**
   * Retries a failed task: queues its call at once as a new task with the same id, and behind it
   * the tasks of its chain that were dropped because of the failure.
   */
  again(failed: Task): TaskHandle {
    const chain: Chain | undefined = failed.rest.length === 0 ? undefined : {};
    const formers = [failed, ...failed.rest];
    const tasks = formers.map((former) => former.again(this.clock.now()));
    admitAll(
      tasks,
      (task) => this.engine.admit(task, true),
      (task) => this.engine.discard(task),
    );
    tasks.forEach((task, index) => {
      if (chain !== undefined) {
        join(chain, task);
      }
      this.observer.restarted(formers[index], task);
      void this.send(task, undefined);
    });
    return new TaskHandle(tasks[0]);
  }

  /** Restores tasks from a store. @returns those whose name is known here */
  restore(group: readonly StoredTask[], isReturning = false): readonly Task[] {
    const tasks = group.flatMap((stored) => this.ofStored(stored) ?? []);
    tasks.forEach((task) =>
      isReturning ? this.observer.returned(task) : this.observer.added(task),
    );
    return tasks;
  }

  private ofStored(stored: StoredTask): Task | undefined {
    const task = this.maker.ofStored(stored);
    if (task !== undefined) {
      this.observer.minted(stored.id, task);
    }
    return task;
  }

  mintId(task: Task): string {
    const id = randomUUID();
    this.observer.minted(id, task);
    return id;
  }

  asked(task: Task): void {
    this.waits.asked(task, this.waiterHere());
  }

  /** A caller waits for all tasks. */
  askedForAll(): void {
    this.waits.askedForAll(this.waiterHere());
  }

  private waiterHere(): Task | OpenRequest | undefined {
    const here = ambient.getStore();
    return here?.kind === 'task' ? (here.isRunning ? here.task : undefined) : this.requestHere();
  }

  cancel(task: Task): boolean | Promise<boolean> {
    return this.engine.cancel(task);
  }

  /** The request that the calling code handles, if it handles one. */
  requestHere(): OpenRequest | undefined {
    const here = ambient.getStore();
    return here?.kind === 'request' ? here.of(this) : undefined;
  }

  private duplicateOf(task: Task, request: OpenRequest | undefined): Task | undefined {
    const key = task.keys?.dedupe;
    if (key === undefined) {
      return undefined;
    }
    const ofRequest = request?.duplicateOf(key);
    if (task.settings.dedupe?.again !== true) {
      return ofRequest ?? this.engine.duplicateOf(key);
    }
    if (ofRequest === undefined || ofRequest.isCommitted) {
      return undefined; // `again` is the engine's business once that task is released
    }
    ofRequest.takeCall(task);
    ofRequest.stored = task.stored;
    return ofRequest;
  }

  private admit(task: Task, request: OpenRequest | undefined): void {
    try {
      request?.admit();
      this.engine.admit(task);
    } catch (error) {
      (request ?? this.requestHere())?.refused(error);
      throw error;
    }
    this.observer.added(task);
  }

  private send(task: Task, request: OpenRequest | undefined): PromiseLike<void> | void {
    const taken = request?.add(task) ?? false;
    if (taken !== false) {
      return taken === true ? undefined : taken;
    }
    if (task.chain !== undefined && task.stored !== undefined) {
      return this.gather(task.chain, task);
    }
    return follow(task) ? this.keep([task]) : this.delivery.drop(task, 'predecessor-failed');
  }

  /** Collects the tasks that are added to a chain in one turn of the event loop, to store them as one. */
  private gather(chain: Chain, task: Task): void {
    const { gathered = [] } = chain;
    gathered.push(task);
    if (chain.gathered === undefined) {
      chain.gathered = gathered;
      queueMicrotask(() => {
        chain.gathered = undefined;
        this.keepChain(gathered);
      });
    }
  }

  private keepChain(tasks: readonly Task[]): void {
    const line = tasks.filter((task) => {
      if (!task.isOver && !follow(task)) {
        this.delivery.drop(task, 'predecessor-failed'); // a task before it was cancelled meanwhile
      }
      return !task.isOver;
    });
    if (lineUp(line) !== undefined) {
      void this.keep(line);
    }
  }

  /** Commits a line and releases it. */
  private keep(line: readonly Task[]): PromiseLike<void> | void {
    for (const task of line) {
      task.isCommitted = true;
    }
    return this.delivery.send(line);
  }

  /**
   * @throws ChainError if the chain began in another engine, because no engine could keep the
   * order, or if it is already stored
   */
  private checkChain(chain: Chain | undefined, { name, queue }: Task): void {
    const last = chain?.last;
    if (last === undefined) {
      return;
    }
    const support = this.engine.supportOf(queue);
    if (this.engine.supportOf(last.queue) !== support) {
      throw new ChainError(name, queue, last.queue);
    }
    if (support.storage !== undefined && last.isCommitted) {
      throw new ChainError(name, queue, undefined);
    }
  }
}
