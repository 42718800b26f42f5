import type { Place, Task } from '../../../task/task.js';
import type { QueueLimits } from '../../engine.js';
import type { PendingLimits } from './pending-limits.js';

/** How far tasks have come that are not released yet. A task is in one place only, and knows it. */
class Stage implements Place {
  size = 0;

  add(task: Task): void {
    task.place = this;
    this.size += 1;
  }

  remove(task: Task): void {
    task.place = undefined;
    this.size -= 1;
  }
}

/** Of one queue. */
interface Stages {
  readonly collected: Stage;
  readonly stored: Stage;
}

/** The tasks that were admitted, and neither released nor given back. */
export class CollectedTasks {
  private readonly byQueue = new Map<string, Stages>();

  constructor(
    queues: readonly QueueLimits[],
    private readonly limits: PendingLimits,
  ) {
    for (const { name } of queues) {
      this.byQueue.set(name, { collected: new Stage(), stored: new Stage() });
    }
  }

  /** @throws QueueFullError */
  admit(task: Task): void {
    this.limits.admit(task.queue);
    this.of(task.queue).collected.add(task);
  }

  /** The store has it, or will have to forget it. */
  stored(task: Task): void {
    const { collected, stored } = this.of(task.queue);
    if (task.place === collected) {
      collected.remove(task);
      stored.add(task);
      this.limits.stored(task.queue);
    }
  }

  /** It is released, or will never be. @returns whether it was among them */
  takeOut(task: Task): boolean {
    const { collected, stored } = this.of(task.queue);
    if (task.place === stored) {
      stored.remove(task);
      return true;
    }
    if (task.place === collected) {
      collected.remove(task);
      this.limits.takeBack(task.queue);
      return true;
    }
    return false;
  }

  has({ queue, place }: Task): boolean {
    const { collected, stored } = this.of(queue);
    return place === collected || place === stored;
  }

  count(queue: string): number {
    const { collected, stored } = this.of(queue);
    return collected.size + stored.size;
  }

  get isEmpty(): boolean {
    return this.size === 0;
  }

  private get size(): number {
    return [...this.byQueue.keys()].reduce((sum, queue) => sum + this.count(queue), 0);
  }

  private of(queue: string): Stages {
    const stages = this.byQueue.get(queue);
    if (stages === undefined) {
      throw new Error(`The BullMQ engine has no queue "${queue}".`);
    }
    return stages;
  }

  /** Nothing is added any more. */
  close(): void {
    this.limits.close();
  }
}
