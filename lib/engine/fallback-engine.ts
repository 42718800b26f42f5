import { lineFrom } from '../task/line.js';
import type { Task } from '../task/task.js';
import { EngineRouter } from './engine-router.js';
import type { Engine, QueueState, Worker } from './engine.js';

/** A durable engine, with this process's memory for tasks that the store does not accept. */
export class FallbackEngine extends EngineRouter {
  private readonly fallen = new WeakSet<Task>();

  constructor(
    private readonly durable: Engine,
    private readonly memory: Engine,
    private readonly worker: Worker,
    queues: readonly { readonly name: string }[],
  ) {
    super(new Map(queues.map(({ name }) => [name, durable])));
  }

  protected override get engines(): readonly Engine[] {
    return [this.durable, this.memory];
  }

  protected override ofTask(task: Task): Engine {
    return this.fallen.has(task) ? this.memory : this.durable;
  }

  override commit(heads: readonly Task[], isHeld?: boolean): Promise<void> {
    const before = heads.flatMap(({ prior }) => prior?.storing ?? []);
    return before.length === 0
      ? this.store(heads, isHeld)
      : Promise.allSettled(before).then(() => this.store(heads, isHeld));
  }

  /** Called once it is known in which engine the tasks before them are. */
  private async store(heads: readonly Task[], isHeld?: boolean): Promise<void> {
    const isBehindFallen = ({ prior }: Task): boolean =>
      prior !== undefined && this.fallen.has(prior);
    heads.filter(isBehindFallen).forEach((head) => this.take(head));
    const others = heads.filter((head) => !isBehindFallen(head));
    try {
      await this.durable.commit(others, isHeld);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'BGT_STORE_UNAVAILABLE') {
        throw error;
      }
      others.forEach((head) => this.take(head));
    }
  }

  /** The store may hold one part of a line and the memory another, if the line was committed in parts. */
  override release(head: Task): PromiseLike<void> | void {
    for (let last = head; last.successor !== undefined; last = last.successor) {
      const { successor } = last;
      if (this.ofTask(successor) !== this.ofTask(last)) {
        last.successor = undefined;
        void last.whenSettled().then(() => this.release(successor));
        break;
      }
    }
    const { prior } = head;
    if (prior === undefined || prior.isOver || this.ofTask(prior) === this.ofTask(head)) {
      return super.release(head);
    }
    void prior.whenSettled().then(() => super.release(head));
  }

  override cancel(task: Task): boolean | Promise<boolean> {
    const { storing } = task;
    return storing === undefined
      ? super.cancel(task)
      : storing.catch(() => undefined).then(() => this.cancel(task));
  }

  protected override enginesOf(): readonly Engine[] {
    return this.engines;
  }

  override async states(): Promise<QueueState[]> {
    return [...(await this.durable.states())];
  }

  /** @throws QueueFullError, ShutDownError */
  private take(head: Task): void {
    for (const task of lineFrom(head)) {
      if (!task.isOver) {
        this.memory.admit(task);
        // Uncommitted for a moment: the durable engine frees the place, and has nothing to remove.
        task.isCommitted = false;
        this.durable.discard(task);
        task.isCommitted = true;
        task.isOver = false;
        task.listener = undefined;
        this.fallen.add(task);
        this.worker.announce(task, { kind: 'fell-back' });
      }
    }
  }
}
