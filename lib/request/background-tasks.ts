import { NoRequestError } from '../errors/misuse.errors.js';
import type { TaskHandle } from '../task/task-handle.js';
import type { NotAFunction, ResultOf, TaskOptions } from '../task/task-options.js';
import { TaskChain } from '../intake/task-chain.js';
import type { TaskIntake } from '../intake/task-intake.js';
import { isObject } from '../task/is-object.js';
import type { Chain } from '../task/task.js';
import { lifeHere, lifeOf } from './life-of-request.js';
import type { RequestLife } from './request-life.js';

/** Of what the container has made: a Proxy that it puts around the object passes this on. */
const STATE = Symbol('nestjs-background-tasks:tasks');

/**
 * The tasks of the current request. Inject it into controllers, services, guards, pipes,
 * interceptors or middleware. All of them share one collection. Its tasks start when the response
 * has closed, one after the other in the order added.
 *
 * It is request-scoped, and so is each class that injects it. A handler's `@Tasks()` parameter
 * gives the same object and leaves the controller a singleton.
 */
export class BackgroundTasks {
  /** No walker of objects finds it, and it costs a tenth of a property that is not enumerable. */
  readonly #state: State;

  /**
   * @internal
   * @param request the one that is being handled; `undefined` where none is
   * @param isOfContainer it may be handed out behind a Proxy
   */
  constructor(intake?: TaskIntake, life?: RequestLife, request?: unknown, isOfContainer = false) {
    this.#state = intake === undefined ? stateHere() : { intake, life, request };
    if (isOfContainer) {
      Object.defineProperty(this, STATE, { value: this.#state });
    }
  }

  /**
   * Adds a task with options of its own, which win over all wider ones.
   *
   * @param options options of this call; they override those of the method, the queue and the
   * module
   * @param fn any function, or a `@Background()` method
   * @param args what it is called with
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
   * @param args what it is called with
   * @returns a handle of the task
   * @throws NotAFunctionError, QueueFullError, ShutDownError
   * @throws NoRequestError outside a request; inject {@link TaskRunner} there
   */
  addTask<Args extends unknown[], Returned>(
    fn: (...args: Args) => Returned,
    ...args: NoInfer<Args>
  ): TaskHandle<ResultOf<Returned>>;
  addTask(...call: unknown[]): TaskHandle {
    return add(#state in this ? this.#state : stateOf(this), call);
  }

  /**
   * Begins a chain: tasks that run in strict order. If one does not complete, the rest is dropped.
   * The request's other tasks keep their places between them.
   *
   * @throws NoRequestError
   */
  chain(): TaskChain {
    const state = #state in this ? this.#state : stateOf(this);
    lifeNow(state);
    return new TaskChain((call, chain) => add(state, call, chain));
  }
}

interface State {
  readonly intake: TaskIntake | undefined;
  readonly life: RequestLife | undefined;
  readonly request: unknown;
}

function stateOf(proxy: object): State {
  return (proxy as { readonly [STATE]?: State })[STATE] ?? stateHere();
}

/** A pipe that transforms what it gets has made another one: it is that of the request around it. */
function stateHere(): State {
  const life = lifeOf(undefined);
  return { intake: life?.intake, life, request: undefined };
}

function add(state: State, call: readonly unknown[], chain?: Chain): TaskHandle {
  const life = lifeNow(state);
  const { intake, request } = state;
  if (intake === undefined) {
    throw new NoRequestError();
  }
  return intake.add(call, life, chain, isObject(request) ? request : undefined);
}

/** What is around the caller comes first: a GraphQL resolver has a life of its own. */
function lifeNow({ intake, life, request }: State): RequestLife | undefined {
  const here = intake && lifeHere(intake);
  if (here === undefined && life === undefined && request === undefined) {
    throw new NoRequestError();
  }
  // A callback of a shared connection comes in the context of whichever request it was opened in.
  return life === undefined || here?.isWithin(life) === true ? here : life;
}
