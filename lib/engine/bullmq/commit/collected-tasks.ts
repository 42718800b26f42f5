import type { Place, Task } from '../../../task/task.js';
import type { QueueLimits } from '../../engine.js';
import { QueueFullError } from '../../../errors/queue-full.error.js';
import type { Clock } from '../../../task/clock.js';

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

/** How long a count is relied on, in milliseconds. */
const FRESH_MS = 1_000;

interface Count {
  readonly maxPending: number;
  /** What the store had when it was last asked. */
  known: number;
  /** What was stored from here since. */
  stored: number;
  /** What was admitted here, and is not stored yet. */
  collected: number;
  askedAt: number;
  isAsking: boolean;
  /** A queue that was full is looked at again, whether anybody adds to it or not. */
  callOff: (() => void) | undefined;
}

/**
 * `maxPending` of queues that other processes fill and empty, too. The store is asked while tasks are
 * added, once a second and whenever half of the room that was left is used up, and once a second while
 * a queue is full: what other processes add in between is not known.
 */
export class PendingLimits {
  private readonly counts = new Map<string, Count>();
  private isClosed = false;

  /** @param ask how many tasks of the queue are in the store and not running */
  constructor(
    queues: readonly QueueLimits[],
    private readonly clock: Clock,
    private readonly ask: (queue: string) => Promise<number>,
  ) {
    for (const { name, maxPending } of queues) {
      this.counts.set(name, {
        maxPending,
        known: 0,
        stored: 0,
        collected: 0,
        askedAt: 0,
        isAsking: false,
        callOff: undefined,
      });
    }
  }

  /** @throws QueueFullError */
  admit(queue: string): void {
    const count = this.of(queue);
    const { maxPending, known, stored, collected } = count;
    const admitted = stored + collected;
    const isFresh = this.clock.now() - count.askedAt < FRESH_MS;
    if (!isFresh || admitted >= (maxPending - known) / 2) {
      this.refresh(queue, count);
    }
    if (known + admitted >= maxPending) {
      throw new QueueFullError(queue, maxPending);
    }
    count.collected += 1;
  }

  /** One that was admitted is in the store now. */
  stored(queue: string): void {
    const count = this.of(queue);
    count.collected -= 1;
    count.stored += 1;
  }

  /** One that was admitted is not going to be stored. */
  takeBack(queue: string): void {
    this.of(queue).collected -= 1;
  }

  close(): void {
    this.isClosed = true;
    this.counts.forEach(({ callOff }) => callOff?.());
  }

  private refresh(queue: string, count: Count): void {
    if (!count.isAsking) {
      count.isAsking = true;
      count.callOff?.();
      count.callOff = undefined;
      void this.recount(queue, count);
    }
  }

  private async recount(queue: string, count: Count): Promise<void> {
    const { stored } = count;
    try {
      count.known = await this.ask(queue);
      // Those are counted by now; what was stored while it was asked may not be.
      count.stored -= stored;
      count.askedAt = this.clock.now();
    } catch {
      // A store that is down takes nothing anyway.
    } finally {
      count.isAsking = false;
      if (count.known + count.stored + count.collected >= count.maxPending && !this.isClosed) {
        count.callOff = this.clock.after(FRESH_MS, () => this.refresh(queue, count));
      }
    }
  }

  private of(queue: string): Count {
    const count = this.counts.get(queue);
    if (count === undefined) {
      throw new Error(`The BullMQ engine has no queue "${queue}".`);
    }
    return count;
  }
}
