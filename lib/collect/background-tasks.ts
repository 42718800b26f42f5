import { NoRequestError } from '../errors/misuse.errors.js';
import type { TaskHandle } from '../task/task-handle.js';
import type { TaskOptions } from '../task/task-options.js';
import type { Collection } from './collection.js';
import type { TaskIntake } from './task-intake.js';

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
    private readonly collection: Collection | undefined,
  ) {}

  /**
   * Adds a task: `fn(...args)` will be called after the response has closed, on the options of the
   * module and, for a `@Background()` method, its own.
   *
   * @throws NotAFunctionError, NoRequestError (see {@link TaskRunner} for use outside a request)
   */
  addTask<Args extends unknown[]>(
    fn: (...args: Args) => unknown,
    ...args: NoInfer<Args>
  ): TaskHandle;
  /**
   * Adds a task with options of its own, which win over all wider ones.
   *
   * @throws NotAFunctionError, NoRequestError, UnknownOptionError, InvalidOptionError,
   * UnknownQueueError
   */
  addTask<Args extends unknown[]>(
    options: TaskOptions,
    fn: (...args: Args) => unknown,
    ...args: NoInfer<Args>
  ): TaskHandle;
  addTask(...call: unknown[]): TaskHandle {
    const collection = this.collection?.isOpen ? this.collection : this.intake.collectionHere();
    if (collection === undefined && this.collection === undefined) {
      throw new NoRequestError();
    }
    return this.intake.add(call, collection);
  }
}
