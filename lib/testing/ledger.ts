import type { Task } from '../task/task.js';
import type { Announcement, Verdict } from '../task/verdict.js';
import { AddedTask } from './added-task.js';
import { realClock } from './real-clock.js';

/** One attempt that was made, and what it came to. */
export interface AttemptRecord {
  /** Of the task, as `TaskHandle.id`. */
  readonly id: string;
  /** The name of the task. */
  readonly name: string;
  /** The queue it came from. */
  readonly queue: string;
  /** What its body was called with. */
  readonly args: readonly unknown[];
  /** 1 for the first. */
  readonly attempt: number;
  /** What it came to; `'retry'` where another attempt follows. */
  readonly verdict: Verdict['kind'];
  /** What it threw, where it failed. */
  readonly error: unknown;
}

interface Waiter {
  readonly isMet: () => boolean;
  readonly resolve: () => void;
}

/** All that the kit knows: what was added, where it stands, what ran. */
export class Ledger {
  added: AddedTask[] = [];
  /** In the order in which they ended. */
  attempts: AttemptRecord[] = [];
  /** Added by requests whose response has not closed yet. */
  readonly collected = new Set<Task>();
  /** Neither collected nor settled. */
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
   * Resolves when `isMet()` holds, which is looked at whenever something has happened.
   *
   * @param limitMs how long that may take, in real time
   * @throws Error that says what is not over, where it takes longer
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

  /** To be called after whatever may end somebody's waiting. */
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
