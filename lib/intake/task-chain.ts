import { heldBy } from '../task/held.js';
import type { TaskHandle } from '../task/task-handle.js';
import type { NotAFunction, ResultOf, TaskOptions } from '../task/task-options.js';
import type { Chain } from '../task/task.js';

/** Hidden from code that enumerates objects, yet reachable through a Proxy around the chain. */
const ADD = Symbol('nestjs-background-tasks:chain');

/**
 * Tasks that run in strict order. If one does not complete, the rest are dropped. All of them
 * belong to queues of one engine.
 */
export class TaskChain {
  declare private readonly [ADD]: (call: readonly unknown[]) => TaskHandle;

  /** @internal @param add adds a task to the chain, and to the request around it */
  constructor(add: (call: readonly unknown[], chain: Chain) => TaskHandle) {
    const chain: Chain = {};
    Object.defineProperty(this, ADD, {
      value: (call: readonly unknown[]) => add(call, chain),
      configurable: true, // otherwise a Proxy could not wrap the function
    });
  }

  /**
   * Adds the next task of the chain, with its own options.
   *
   * @param options options of this call; they override those of the method, the queue and the
   * module
   * @param fn any function, or a `@Background()` method
   * @param args the arguments of `fn`
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
   * @param args the arguments of `fn`
   * @returns a handle of the task
   * @throws NotAFunctionError, QueueFullError, ChainError
   */
  addTask<Args extends unknown[], Returned>(
    fn: (...args: Args) => Returned,
    ...args: NoInfer<Args>
  ): TaskHandle<ResultOf<Returned>>;
  addTask(...call: unknown[]): TaskHandle {
    const add = heldBy(this, ADD) as TaskChain[typeof ADD];
    return add(call);
  }
}
