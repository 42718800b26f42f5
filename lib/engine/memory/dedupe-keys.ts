import type { Place, Task } from '../../task/task.js';

interface Holder {
  readonly task: Task;
  /** When its window ends: milliseconds since the epoch. */
  readonly until: number;
}

/** How many keys may gather before those whose window has passed are swept out. */
const FIRST_SWEEP = 1_000;

/** From so many on, the oldest of those whose task is over are swept out in their window, too. */
const MAX_KEYS = 100_000;

/** Which task stands for which `dedupe` key, and which one runs once more afterwards: see `again`. */
export class DedupeKeys implements Place {
  private readonly holders = new Map<string, Holder>();
  /** Each waits for the one that stands for its key. */
  private readonly waiting = new Map<string, Task>();
  private sweepAt = FIRST_SWEEP;

  /** The task that stands for `key` now. */
  holder(key: string, now: number): Task | undefined {
    const holder = this.holders.get(key);
    if (holder === undefined || isHeld(holder, now)) {
      return holder?.task;
    }
    this.holders.delete(key);
    return undefined;
  }

  /** From here on `task` stands for `key`, unless another one does. */
  claim(key: string, task: Task, now: number): void {
    const holder = this.holder(key, now);
    if (holder !== undefined && !isRetried(holder, task)) {
      return;
    }
    this.holders.set(key, { task, until: task.addedAt + (task.settings.dedupe?.windowMs ?? 0) });
    if (this.holders.size >= this.sweepAt) {
      this.sweep(now);
    }
  }

  /** Nobody has done the work of a task that was cancelled, dropped or abandoned. */
  free(key: string, task: Task): void {
    if (this.holders.get(key)?.task === task) {
      this.holders.delete(key);
    }
  }

  /** @returns the one that has waited for the key, if it may go on: it stands for the key now */
  settled(task: Task, key: string, now: number): Task | undefined {
    const holder = this.holders.get(key);
    if (holder?.task === task && !isHeld(holder, now)) {
      this.holders.delete(key);
    }
    const next = this.holder(key, now) === undefined ? this.waiting.get(key) : undefined;
    if (next !== undefined) {
      this.remove(next);
      this.claim(key, next, now);
    }
    return next;
  }

  /** The one whose first attempt is still to come, if another stands for `key` now. */
  laterOf(key: string, holder: Task): Task | undefined {
    const hasBegun = holder.attempts > 0 || holder.status === 'running';
    return hasBegun ? this.waiting.get(key) : holder;
  }

  /** Has a task wait until nobody stands for its key. */
  wait(key: string, task: Task): void {
    task.place = this;
    this.waiting.set(key, task);
  }

  remove(task: Task): void {
    task.place = undefined;
    if (task.keys?.dedupe !== undefined) {
      this.waiting.delete(task.keys.dedupe);
    }
  }

  [Symbol.iterator](): IterableIterator<Task> {
    return this.waiting.values();
  }

  /** Keys that nobody asks for again would stay for ever; doubling keeps the cost per key flat. */
  private sweep(now: number): void {
    let excess = this.holders.size < MAX_KEYS ? 0 : this.holders.size - MAX_KEYS / 2;
    for (const [key, holder] of this.holders) {
      if (!isHeld(holder, now) || (excess > 0 && holder.task.isOver)) {
        this.holders.delete(key);
        excess -= 1;
      }
    }
    const { size } = this.holders;
    this.sweepAt = size < MAX_KEYS ? Math.min(Math.max(FIRST_SWEEP, size * 2), MAX_KEYS) : size * 2;
  }
}

/** Whether `task` is the one that failed, run again within its own window. */
function isRetried(failed: Task, task: Task): boolean {
  return failed.knownId !== undefined && failed.knownId === task.knownId;
}

function isHeld({ task, until }: Holder, now: number): boolean {
  return !task.isOver || now < until;
}
