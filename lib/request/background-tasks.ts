import { NoRequestError } from '../errors/misuse.errors.js';
import type { TaskHandle } from '../task/task-handle.js';
import type { NotAFunction, ResultOf, TaskOptions } from '../task/task-options.js';
import { TaskChain } from '../intake/task-chain.js';
import type { TaskIntake } from '../intake/task-intake.js';
import { DETACHED } from '../task/held.js';
import { isObject } from '../task/is-object.js';
import type { Chain } from '../task/task.js';
import { lifeHere, lifeOf } from './life-of-request.js';
import type { RequestLife } from './request-life.js';

/** Set on instances that the container makes: a Proxy around one passes it on, but no private field. */
const SELF = Symbol('nestjs-background-tasks:tasks');

/**
 * The tasks of the current request. Inject it into controllers, services, guards, pipes,
 * interceptors or middleware: all of them share one collection. The tasks start when the response
 * has closed, one after the other in the order added.
 *
 * The class is request-scoped, and so is every class that injects it. A handler's `@Tasks()`
 * parameter gives the same collection and leaves the controller a singleton.
 */
export class BackgroundTasks {
  /** Private fields: object walkers skip them, and they cost a tenth of non-enumerable properties. */
  readonly #intake: TaskIntake | undefined;
  readonly #life: RequestLife | undefined;
  readonly #request: unknown;

  /**
   * @internal
   * @param intake defaults to that of the surrounding request: a pipe that transforms its argument
   * constructs another instance without it
   * @param request the request being handled, if there is one
   * @param isOfContainer whether the instance may be handed out behind a Proxy
   */
  constructor(intake?: TaskIntake, life?: RequestLife, request?: unknown, isOfContainer = false) {
    this.#life = intake === undefined ? lifeOf(undefined) : life;
    this.#intake = intake ?? this.#life?.intake;
    this.#request = request;
    if (isOfContainer) {
      Object.defineProperty(this, SELF, { value: this });
    }
  }

  /**
   * Adds a task with options for this call.
   *
   * @param options override those of the method, the queue and the module
   * @param fn any function, or a `@Background()` method
   * @param args the arguments of `fn`
   * @returns a handle of the task
   * @throws NotAFunctionError, NoRequestError, QueueFullError, ShutDownError, UnknownOptionError,
   * InvalidOptionError, UnknownQueueError
   */
  addTask<Args extends unknown[], Returned>(
    options: TaskOptions & NotAFunction,
    fn: (...args: Args) => Returned,
    ...args: NoInfer<Args>
  ): TaskHandle<ResultOf<Returned>>;
  /**
   * Adds a task: `fn(...args)` is called after the response has closed, with the options of the
   * module and of a `@Background()` method.
   *
   * @param fn any function, or a `@Background()` method
   * @param args the arguments of `fn`
   * @returns a handle of the task
   * @throws NotAFunctionError, QueueFullError, ShutDownError
   * @throws NoRequestError outside a request; inject {@link TaskRunner} there
   */
  addTask<Args extends unknown[], Returned>(
    fn: (...args: Args) => Returned,
    ...args: NoInfer<Args>
  ): TaskHandle<ResultOf<Returned>>;
  addTask(...call: unknown[]): TaskHandle {
    return BackgroundTasks.#behind(this).#add(call);
  }

  /**
   * Begins a chain: tasks that run in strict order. If one does not complete, the rest is dropped.
   * The request's other tasks keep their places between them.
   *
   * @throws NoRequestError
   */
  chain(): TaskChain {
    const self = BackgroundTasks.#behind(this);
    self.#lifeNow();
    return new TaskChain((call, chain) => self.#add(call, chain));
  }

  static #behind(given: BackgroundTasks): BackgroundTasks {
    // Not that of the request around the caller: which one was meant, nobody can tell.
    if (!isObject(given)) {
      throw new TypeError(DETACHED);
    }
    return #life in given
      ? given
      : ((given as { readonly [SELF]?: BackgroundTasks })[SELF] ?? new BackgroundTasks());
  }

  #add(call: readonly unknown[], chain?: Chain): TaskHandle {
    const life = this.#lifeNow();
    if (this.#intake === undefined) {
      throw new NoRequestError();
    }
    const request = isObject(this.#request) ? this.#request : undefined;
    return this.#intake.add(call, life, chain, request);
  }

  /** The innermost life around the caller wins: a GraphQL resolver has one of its own. */
  #lifeNow(): RequestLife | undefined {
    const life = this.#life;
    const here = this.#intake && lifeHere(this.#intake);
    if (here === undefined && life === undefined && this.#request === undefined) {
      throw new NoRequestError();
    }
    // A callback of a shared connection runs in the context of the request that opened the
    // connection.
    return life === undefined || here?.isWithin(life) === true ? here : life;
  }
}
