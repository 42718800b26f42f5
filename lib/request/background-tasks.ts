import { NoRequestError } from '../errors/misuse.errors.js';
import type { TaskHandle } from '../task/task-handle.js';
import type { NotAFunction, TaskOptions } from '../task/task-options.js';
import { TaskChain } from '../intake/task-chain.js';
import type { TaskIntake } from '../intake/task-intake.js';
import { ambient } from '../task/ambient.js';
import { RequestLife } from './request-life.js';

/**
 * The tasks of the request under way. Inject it into controllers, services, guards, pipes,
 * interceptors or middleware: all of one request get the same collection. Its tasks start when the
 * response has closed, one after the other in the order added.
 *
 * It is request-scoped, and so is whatever injects it; a handler's `@Tasks()` parameter gives the
 * same object and leaves the controller a singleton.
 */
export class BackgroundTasks {
  /** @internal */
  constructor(
    private readonly intake: TaskIntake,
    private readonly life: RequestLife | undefined,
    private readonly hasRequest: boolean,
  ) {}

  /**
   * Adds a task with options of its own, which win over all wider ones.
   *
   * @param options what differs for this call; the rest is as its method, queue and module have it
   * @param fn any function, or a `@Background()` method
   * @param args what it is called with
   * @returns the task, to look at and to cancel
   * @throws NotAFunctionError, NoRequestError, QueueFullError, ShutDownError, UnknownOptionError,
   * InvalidOptionError, UnknownQueueError
   */
  addTask<Args extends unknown[]>(
    options: TaskOptions & NotAFunction,
    fn: (...args: Args) => unknown,
    ...args: NoInfer<Args>
  ): TaskHandle;
  /**
   * Adds a task: `fn(...args)` will be called after the response has closed, on the options of the
   * module and, for a `@Background()` method, its own.
   *
   * @param fn any function, or a `@Background()` method
   * @param args what it is called with
   * @returns the task, to look at and to cancel
   * @throws NotAFunctionError, QueueFullError, ShutDownError
   * @throws NoRequestError outside a request, where {@link TaskRunner} is what to inject
   */
  addTask<Args extends unknown[]>(
    fn: (...args: Args) => unknown,
    ...args: NoInfer<Args>
  ): TaskHandle;
  addTask(...call: unknown[]): TaskHandle {
    return this.intake.add(call, this.lifeNow());
  }

  /**
   * Begins a chain: tasks that run in strict order, of which the rest is dropped once one did not
   * complete. Among the request's other tasks each keeps the place in which it was added.
   *
   * @throws NoRequestError
   */
  chain(): TaskChain {
    this.lifeNow();
    return new TaskChain(this.intake, () => this.lifeNow());
  }

  /** What is around the caller comes first: a GraphQL resolver has a life of its own. */
  private lifeNow(): RequestLife | undefined {
    const { life } = this;
    const store = ambient.getStore();
    const here = store instanceof RequestLife ? store.of(this.intake) : undefined;
    if (here === undefined && life === undefined && !this.hasRequest) {
      throw new NoRequestError();
    }
    // A callback of a shared connection comes in the context of whichever request it was opened in.
    return life === undefined || here?.isWithin(life) === true ? here : life;
  }
}
