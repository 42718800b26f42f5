import type { Place, Task } from '../../task/task.js';

interface Holder {
  readonly task: Task;
  /** The end of the window, in milliseconds since the epoch. */
  readonly until: number;
}

/** How many keys may accumulate before expired ones are swept. */
const FIRST_SWEEP = 1_000;

/** From this number on, the oldest keys of settled tasks are swept even within their window. */
const MAX_KEYS = 100_000;

/** The holder of each `dedupe` key, and the task that runs once more afterwards: see `again`. */
export class DedupeKeys implements Place {
  private readonly holders = new Map<string, Holder>();
  /** Tasks waiting for the holder of their key. */
  private readonly waiting = new Map<string, Task>();
  private sweepAt = FIRST_SWEEP;

  holder(key: string, now: number): Task | undefined {
    const holder = this.holders.get(key);
    if (holder === undefined || isHeld(holder, now)) {
      return holder?.task;
    }
    this.holders.delete(key);
    return undefined;
  }

  /** Makes `task` the holder of `key`, unless another task is. */
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

  /** Frees the key of a task that was cancelled, dropped or abandoned: its work was not done. */
  free(key: string, task: Task): void {
    if (this.holders.get(key)?.task === task) {
      this.holders.delete(key);
    }
  }

  /** @returns the task that waited for the key, if it may run now as the holder */
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

  /** The holder if its attempts have not begun, otherwise the task waiting behind it. */
  laterOf(key: string, holder: Task): Task | undefined {
    const hasBegun = holder.attempts > 0 || holder.status === 'running';
    return hasBegun ? this.waiting.get(key) : holder;
  }

  /** Makes a task wait until its key is free. */
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

  /** Keys that are never looked up would stay for ever. Doubling keeps the cost per key constant. */
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

/** Whether `task` is a retry of the failed holder, within its own window. */
function isRetried(failed: Task, task: Task): boolean {
  return failed.knownId !== undefined && failed.knownId === task.knownId;
}

function isHeld({ task, until }: Holder, now: number): boolean {
  return !task.isOver || now < until;
}
