import type { TaskHandle } from '../task/task-handle.js';
import type { NotAFunction, ResultOf, TaskOptions } from '../task/task-options.js';
import type { Chain } from '../task/task.js';

/** No walker of objects finds it, and a Proxy around a chain passes it on. */
const ADD = Symbol('nestjs-background-tasks:chain');

/**
 * Tasks that run in strict order. If one does not complete, the rest is dropped. All of them belong
 * to queues of one engine.
 */
export class TaskChain {
  declare private readonly [ADD]: (call: readonly unknown[]) => TaskHandle;

  /** @internal @param add adds a task to the chain, and to what is around it */
  constructor(add: (call: readonly unknown[], chain: Chain) => TaskHandle) {
    const chain: Chain = {};
    Object.defineProperty(this, ADD, {
      value: (call: readonly unknown[]) => add(call, chain),
      configurable: true, // else a Proxy may not put anything around it
    });
  }

  /**
   * Adds the next task of the chain, with options of its own.
   *
   * @param options options of this call; they override those of the method, the queue and the
   * module
   * @param fn any function, or a `@Background()` method
   * @param args what it is called with
   * @returns a handle of the task
   * @throws NotAFunctionError, QueueFullError, UnknownOptionError, InvalidOptionError,
   * UnknownQueueError, ChainError
   */
  addTask<Args extends unknown[], Returned>(
    options: TaskOptions & NotAFunction,
    fn: (...args: Args) => Returned,
    ...args: NoInfer<Args>
  ): TaskHandle<ResultOf<Returned>>;
  /**
   * Adds the next task of the chain.
   *
   * @param fn any function, or a `@Background()` method
   * @param args what it is called with
   * @returns a handle of the task
   * @throws NotAFunctionError, QueueFullError, ChainError
   */
  addTask<Args extends unknown[], Returned>(
    fn: (...args: Args) => Returned,
    ...args: NoInfer<Args>
  ): TaskHandle<ResultOf<Returned>>;
  addTask(...call: unknown[]): TaskHandle {
    return this[ADD](call);
  }
}
