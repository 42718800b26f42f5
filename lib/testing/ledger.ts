import type { Task } from '../task/task.js';
import type { Announcement, Verdict } from '../task/verdict.js';
import { AddedTask } from './added-task.js';
import { realClock } from './real-clock.js';

/** An attempt that was made, and how it ended. */
export interface AttemptRecord {
  /** The id of the task, as `TaskHandle.id`. */
  readonly id: string;
  /** The name of the task. */
  readonly name: string;
  /** The queue of the task. */
  readonly queue: string;
  /** The arguments that the task was called with. */
  readonly args: readonly unknown[];
  /** 1 for the first. */
  readonly attempt: number;
  /** How the attempt ended; `'retry'` if another attempt follows. */
  readonly verdict: Verdict['kind'];
  /** The error of a failed attempt. */
  readonly error: unknown;
}

interface Waiter {
  readonly isMet: () => boolean;
  readonly resolve: () => void;
}

/** Records the tasks that were added, where they stand, and their attempts. */
export class Ledger {
  added: AddedTask[] = [];
  /** In the order in which they ended. */
  attempts: AttemptRecord[] = [];
  /** Tasks of requests whose response has not closed yet. */
  readonly collected = new Set<Task>();
  /** Tasks that are neither collected nor settled. */
  readonly released = new Set<Task>();
  readonly running = new Set<Task>();
  /** How many attempts have begun. */
  starts = 0;
  private waiters: readonly Waiter[] = [];

  constructor(
    private readonly onChange: () => void,
    private readonly onFailure: (task: Task, error: unknown) => void,
  ) {}

  admitted(task: Task): void {
    this.added.push(new AddedTask(task));
    this.collected.add(task);
    this.changed();
  }

  handedOver(head: Task): void {
    for (let task: Task | undefined = head; task !== undefined; task = task.successor) {
      if (this.collected.delete(task)) {
        this.released.add(task);
      }
    }
    this.changed();
  }

  started(task: Task): void {
    this.starts += 1;
    this.running.add(task);
    this.changed();
  }

  concluded(task: Task, verdict: Verdict): void {
    this.running.delete(task);
    for (const each of [task, ...(task.followers ?? [])]) {
      const { id, name, queue, args, attempts } = each;
      const error = 'error' in verdict ? verdict.error : undefined;
      this.attempts.push({
        id,
        name,
        queue,
        args,
        attempt: attempts,
        verdict: verdict.kind,
        error,
      });
    }
  }

  announced(task: Task, verdict: Announcement): void {
    if (verdict.kind === 'failed') {
      this.onFailure(task, verdict.error);
    }
    if (verdict.kind !== 'retry') {
      this.left(task);
    }
  }

  left(task: Task): void {
    this.collected.delete(task);
    this.released.delete(task);
    this.changed();
  }

  /**
   * Resolves when `isMet()` holds, which is checked after every change.
   *
   * @param limitMs the longest wait, in real time
   * @throws Error with the text of `complain()` if the wait takes longer
   */
  until(isMet: () => boolean, limitMs: number, complain: () => string): Promise<void> {
    return new Promise((resolve, reject) => {
      const callOff = realClock.after(limitMs, () => {
        this.waiters = this.waiters.filter((each) => each !== waiter);
        reject(new Error(complain()));
      });
      const waiter: Waiter = {
        isMet,
        resolve: () => {
          callOff();
          resolve();
        },
      };
      this.waiters = [...this.waiters, waiter];
      this.look();
    });
  }

  /** Must be called after every change that a waiter may wait for. */
  changed(): void {
    this.look();
    this.onChange();
  }

  private look(): void {
    const met = this.waiters.filter(({ isMet }) => isMet());
    if (met.length > 0) {
      this.waiters = this.waiters.filter((waiter) => !met.includes(waiter));
      met.forEach(({ resolve }) => resolve());
    }
  }
}
