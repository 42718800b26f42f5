import type { Engine } from '../engine/engine.js';
import { TransactionError } from '../errors/storage.errors.js';
import { heldBy } from '../task/held.js';
import type { NotAFunction, TaskOptions } from '../task/task-options.js';
import type { TransactionClient } from '../task/transaction-client.js';
import type { TaskIntake } from './task-intake.js';

interface Parts {
  readonly intake: TaskIntake;
  readonly engine: Engine;
  readonly client: TransactionClient;
}

/** Hidden from code that enumerates objects, yet reachable through a Proxy around the object. */
const PARTS = Symbol('nestjs-background-tasks:transaction');

/** Tasks that are part of a transaction: see {@link TaskRunner.using}. */
export class TransactionTasks {
  declare private readonly [PARTS]: Parts;

  /** @internal */
  constructor(parts: Parts) {
    Object.defineProperty(this, PARTS, { value: parts, configurable: true });
  }

  /**
   * Stores a task in the transaction, with its own options.
   *
   * @param options options of this call; they override those of the method, the queue and the
   * module
   * @param fn a `@Background()` method
   * @param args the arguments of `fn`
   * @returns the task's id, for `TaskRunner.get()` after the commit; or the id of the task that
   * `dedupe` found with the same key
   * @throws TransactionError, NotStorableError, StoreUnavailableError, UnknownOptionError,
   * InvalidOptionError, UnknownQueueError, and whatever the client throws
   */
  addTask<Args extends unknown[]>(
    options: TaskOptions & NotAFunction,
    fn: (...args: Args) => unknown,
    ...args: NoInfer<Args>
  ): Promise<string>;
  /**
   * Stores a task in the transaction. Await it before the transaction ends.
   *
   * @param fn a `@Background()` method
   * @param args the arguments of `fn`
   * @returns the task's id, for `TaskRunner.get()` after the commit; or the id of the task that
   * `dedupe` found with the same key
   * @throws TransactionError, NotStorableError, StoreUnavailableError, and whatever the client
   * throws
   */
  addTask<Args extends unknown[]>(
    fn: (...args: Args) => unknown,
    ...args: NoInfer<Args>
  ): Promise<string>;
  async addTask(...call: unknown[]): Promise<string> {
    const { intake, engine, client } = heldBy(this, PARTS) as Parts;
    const task = intake.maker.ofCall(call);
    let id: string | undefined;
    try {
      id = await engine.supportOf(task.queue).storeWithin?.(client, task);
    } finally {
      if (id !== task.id) {
        intake.forget(task);
      }
    }
    if (id === undefined) {
      throw new TransactionError(
        task.name,
        task.queue,
        `queue "${task.queue}" is not kept in PostgreSQL. Give it, or the module, an engine that ` +
          "is: bullmq({ connection: 'postgres://…' }).",
      );
    }
    if (id === task.id) {
      intake.stored(task);
    }
    return id;
  }
}
