import type { Task } from '../../task/task.js';
import { Lanes } from './lanes.js';

interface Key {
  /** Slots in use, or reserved for a task that was called back. */
  taken: number;
  readonly parked: Lanes;
}

/**
 * Limits how many tasks of one `concurrencyKey` run at once. A task whose key is busy is parked, so
 * that it does not block other keys, and is called back in its turn.
 */
export class KeyLimit {
  private readonly keys = new Map<string, Key>();
  /** Tasks called back, with a slot of their key reserved. */
  private readonly called = new Set<Task>();

  constructor(private readonly limit: number) {}

  /** @returns whether the task may start; otherwise it is parked */
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

  /** @returns the next parked task, for which the slot is reserved now */
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

  /** Frees the slot reserved for a task that will not start, if there is one. */
  cancel(task: Task): Task | undefined {
    return this.called.delete(task) ? this.leave(task) : undefined;
  }

  /** The parked tasks. There are as few keys as slots: a key exists only while a task of it runs. */
  parked(): readonly Lanes[] {
    return [...this.keys.values()].map(({ parked }) => parked);
  }
}
