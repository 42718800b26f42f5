import type { Task } from '../../task/task.js';
import type { Worker } from '../engine.js';
import type { MemoryEngine } from '../memory/memory.engine.js';

/** Tasks that the store did not take, and that this process keeps in memory instead. */
export class MemoryFallback {
  private readonly fallen = new WeakSet<Task>();

  constructor(
    readonly memory: MemoryEngine,
    private readonly worker: Worker,
  ) {}

  has(task: Task): boolean {
    return this.fallen.has(task);
  }

  /** @throws QueueFullError, ShutDownError */
  take(task: Task): void {
    this.memory.admit(task);
    this.fallen.add(task);
    task.listener = undefined;
    this.worker.announce(task, { kind: 'fell-back' });
  }

  release(head: Task): PromiseLike<void> | void {
    const { prior } = head;
    if (prior === undefined || this.has(prior) || prior.outcome !== undefined) {
      return this.memory.release(head);
    }
    void prior.whenSettled().then(() => this.memory.release(head));
  }
}
