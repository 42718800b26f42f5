import type { Task } from '../../task/task.js';
import type { QueueLimits, QueueState } from '../engine.js';
import { MemoryQueue, type QueueHost } from './memory-queue.js';

/** The queues of an engine, by name. */
export class Queues {
  private readonly byName: ReadonlyMap<string, MemoryQueue>;
  /** The one that was asked for last is mostly the next one, too. */
  private last: { readonly name: string; readonly queue: MemoryQueue } | undefined = undefined;

  constructor(limits: readonly QueueLimits[], host: QueueHost) {
    this.byName = new Map(limits.map((each) => [each.name, new MemoryQueue(each, host)]));
  }

  has({ queue }: Task): boolean {
    return this.byName.has(queue);
  }

  of({ queue }: Task): MemoryQueue {
    if (this.last?.name === queue) {
      return this.last.queue;
    }
    const found = this.byName.get(queue);
    if (found === undefined) {
      throw new Error(`The memory engine has no queue "${queue}".`);
    }
    this.last = { name: queue, queue: found };
    return found;
  }

  /** All of them, or the one of that name. */
  some(name?: string): MemoryQueue[] {
    return [...this.byName].flatMap(([each, queue]) =>
      name === undefined || name === each ? [queue] : [],
    );
  }

  *states(): Generator<QueueState> {
    for (const [queue, { running, pending, oldestAddedAt, isPaused }] of this.byName) {
      yield { queue, running, pending, oldestAddedAt, isPaused };
    }
  }

  /** Nothing runs, and nothing could without being added or resumed first. */
  get isIdle(): boolean {
    return [...this.byName.values()].every(({ isIdle }) => isIdle);
  }

  interrupt(): void {
    this.byName.forEach((queue) => queue.interrupt());
  }

  *[Symbol.iterator](): Generator<MemoryQueue> {
    yield* this.byName.values();
  }
}
