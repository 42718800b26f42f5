import { QueueFullError } from '../../../errors/queue-full.error.js';
import type { Place, Task } from '../../../task/task.js';
import type { QueueLimits } from '../../engine.js';
import type { JobStore } from '../store/job-store.js';

/** How long a count is trusted, in milliseconds. */
const FRESH_MS = 1_000;

/** A stage of tasks that are not released yet. A task is in one stage at most, and refers to it. */
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

/** The estimated size of one queue, which other processes fill and empty, too. */
class Count {
  /** Tasks admitted here that are not in the store yet. */
  readonly collected = new Stage();
  /** Tasks stored from here that are not released yet. */
  readonly held = new Stage();
  /** How many tasks the store had when it was last asked. */
  known = 0;
  /** How many tasks this process has stored since. */
  since = 0;
  askedAt = 0;
  isAsking = false;
  callOff: (() => void) | undefined = undefined;

  constructor(
    readonly queue: string,
    readonly maxPending: number,
  ) {}

  get ours(): number {
    return this.since + this.collected.size;
  }

  get isFull(): boolean {
    return this.known + this.ours >= this.maxPending;
  }
}

/**
 * The tasks that were admitted, and neither released nor withdrawn, within `maxPending`. The store is asked
 * once a second while tasks are added or the queue is full, and whenever half of the remaining room is used
 * up. Tasks that other processes add in between are not counted.
 */
export class CollectedTasks {
  private readonly counts: ReadonlyMap<string, Count>;

  constructor(
    queues: readonly QueueLimits[],
    private readonly store: JobStore,
  ) {
    const counts = queues.map(({ name, maxPending }) => new Count(name, maxPending));
    this.counts = new Map(counts.map((count) => [count.queue, count]));
  }

  /** @throws QueueFullError */
  admit(task: Task): void {
    const count = this.of(task);
    const isOld = this.store.clock.now() - count.askedAt >= FRESH_MS;
    if (isOld || count.ours >= (count.maxPending - count.known) / 2) {
      void this.recount(count);
    }
    if (count.isFull) {
      throw new QueueFullError(count.queue, count.maxPending);
    }
    count.collected.add(task);
  }

  /** The store has the task, or its job will be retracted. */
  stored(task: Task): void {
    const count = this.of(task);
    if (task.place === count.collected) {
      count.collected.remove(task);
      count.held.add(task);
      count.since += 1;
    }
  }

  /** The task is released, or never will be. @returns whether it was collected or held here */
  takeOut(task: Task): boolean {
    const isHere = this.has(task);
    if (isHere) {
      task.place?.remove(task);
    }
    return isHere;
  }

  has(task: Task): boolean {
    const { collected, held } = this.of(task);
    return task.place === collected || task.place === held;
  }

  get isEmpty(): boolean {
    return [...this.counts.values()].every(
      ({ collected, held }) => collected.size + held.size === 0,
    );
  }

  /** Nothing is added from now on. */
  close(): void {
    this.counts.forEach(({ callOff }) => callOff?.());
  }

  private async recount(count: Count): Promise<void> {
    if (count.isAsking) {
      return;
    }
    count.isAsking = true;
    count.callOff?.();
    const { since } = count;
    try {
      count.known = await this.store.pendingOf(count.queue);
      // `known` has the tasks stored before the request; tasks stored during it may be missing.
      count.since -= since;
      count.askedAt = this.store.clock.now();
    } catch {
      // A store that is down takes no tasks anyway.
    } finally {
      count.isAsking = false;
      // A full queue is counted again, whether anybody adds to it or not.
      if (count.isFull && !this.store.isClosing) {
        count.callOff = this.store.clock.after(FRESH_MS, () => void this.recount(count));
      }
    }
  }

  private of({ queue }: Task): Count {
    const count = this.counts.get(queue);
    if (count === undefined) {
      throw new Error(`The BullMQ engine has no queue "${queue}".`);
    }
    return count;
  }
}
