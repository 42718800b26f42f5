import { QueueFullError } from '../../../errors/queue-full.error.js';
import type { Place, Task } from '../../../task/task.js';
import type { QueueLimits } from '../../engine.js';
import type { JobStore } from '../store/job-store.js';

/** How long a count is relied on, in milliseconds. */
const FRESH_MS = 1_000;

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

/** What is known of one queue, which other processes fill and empty, too. */
class Count {
  /** Admitted here, and not in the store yet. */
  readonly collected = new Stage();
  /** Stored from here, and not released yet. */
  readonly held = new Stage();
  /** How many the store had when it was last asked. */
  known = 0;
  /** How many were stored from here since. */
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
 * The tasks that were admitted, and neither released nor given back, within `maxPending`. The store is
 * asked while tasks are added, once a second and whenever half of the room that was left is used up, and
 * once a second while a queue is full: what other processes add in between is not known.
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

  /** The store has it, or will have to forget it. */
  stored(task: Task): void {
    const count = this.of(task);
    if (task.place === count.collected) {
      count.collected.remove(task);
      count.held.add(task);
      count.since += 1;
    }
  }

  /** It is released, or will never be. @returns whether it was among them */
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

  /** Nothing is added any more. */
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
      // Those are counted by now; what was stored while it was asked may not be.
      count.since -= since;
      count.askedAt = this.store.clock.now();
    } catch {
      // A store that is down takes nothing anyway.
    } finally {
      count.isAsking = false;
      // A full queue is looked at again, whether anybody adds to it or not.
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
