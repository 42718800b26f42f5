import type { Task } from '../../task/task.js';
import type { QueueLimits } from '../engine.js';
import type { PendingLimits } from './pending-limits.js';

/** The tasks that were admitted, and neither released nor given back. */
export class CollectedTasks {
  private readonly byQueue = new Map<string, Set<Task>>();

  constructor(
    queues: readonly QueueLimits[],
    private readonly limits: PendingLimits,
  ) {
    for (const { name } of queues) {
      this.byQueue.set(name, new Set());
    }
  }

  /** @throws QueueFullError */
  admit(task: Task): void {
    this.limits.admit(task.queue);
    this.of(task).add(task);
  }

  /** It is released. @returns whether it was among them */
  release(task: Task): boolean {
    return this.of(task).delete(task);
  }

  /** It is not going to be stored. */
  giveBack(task: Task): void {
    this.of(task).delete(task);
    this.limits.takeBack(task.queue);
  }

  has(task: Task): boolean {
    return this.of(task).has(task);
  }

  /** Whether the queue is one of this engine's. */
  knows(queue: string): boolean {
    return this.byQueue.has(queue);
  }

  count(queue: string): number {
    return this.byQueue.get(queue)?.size ?? 0;
  }

  get isEmpty(): boolean {
    return [...this.byQueue.values()].every(({ size }) => size === 0);
  }

  private of({ queue }: Task): Set<Task> {
    const tasks = this.byQueue.get(queue);
    if (tasks === undefined) {
      throw new Error(`The BullMQ engine has no queue "${queue}".`);
    }
    return tasks;
  }

  /** Nothing is added any more. */
  close(): void {
    this.limits.close();
  }
}
