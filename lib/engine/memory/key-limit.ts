import type { Task } from '../../task/task.js';
import { Lanes } from './lanes.js';

interface Key {
  /** Slots that are in use, or kept for a task which has been called back. */
  taken: number;
  readonly parked: Lanes;
}

/**
 * At most so many tasks of one `concurrencyKey` at once. One that finds its key busy is parked
 * aside, so that it does not stand in the way of other keys, and is called back in its turn.
 */
export class KeyLimit {
  private readonly keys = new Map<string, Key>();
  /** Called back: a slot of their key is kept for them. */
  private readonly called = new Set<Task>();

  constructor(private readonly limit: number) {}

  /** @returns whether the task may start; else it is parked */
  enter(task: Task): boolean {
    const name = task.keys?.concurrency;
    if (name === undefined || this.called.delete(task)) {
      return true;
    }
    const key = this.keys.get(name) ?? { taken: 0, parked: new Lanes() };
    this.keys.set(name, key);
    if (key.taken < this.limit) {
      key.taken += 1;
      return true;
    }
    key.parked.push(task);
    return false;
  }

  /** @returns the task that has been waiting for the slot, which is kept for it from now on */
  leave(task: Task): Task | undefined {
    const name = task.keys?.concurrency;
    const key = name === undefined ? undefined : this.keys.get(name);
    if (name === undefined || key === undefined) {
      return undefined;
    }
    const next = key.parked.take();
    if (next !== undefined) {
      this.called.add(next);
    } else if (--key.taken === 0) {
      this.keys.delete(name);
    }
    return next;
  }

  /** For a task that will not start: gives back the slot which is kept for it, if one is. */
  cancel(task: Task): Task | undefined {
    return this.called.delete(task) ? this.leave(task) : undefined;
  }

  /** Those who wait for their key. A key is as rare as a slot: it is there while a task of it runs. */
  parked(): readonly Lanes[] {
    return [...this.keys.values()].map(({ parked }) => parked);
  }
}
