import { StoreUnavailableError } from '../../../errors/storage.errors.js';
import { following, lineFrom, standingOf } from '../../../task/line.js';
import type { Task } from '../../../task/task.js';
import type { Worker } from '../../engine.js';
import type { CollectedTasks } from './collected-tasks.js';
import type { Producer } from './producer.js';
import { linkOf } from '../codec/stored-job.js';

/** Where tasks go that the store does not take. */
export interface Fallback {
  has(task: Task): boolean;
  /** @throws QueueFullError, ShutDownError */
  take(task: Task): void;
}

/** What commits need. */
export interface CommitsHost {
  readonly producer: Producer;
  readonly collected: CollectedTasks;
  readonly fallback: Fallback | undefined;
  readonly worker: Worker;
}

/** Brings tasks to the store; where it does not take them, to the memory of this process, if they may go there. */
export class Commits {
  /** The producer has seen to those itself. */
  private readonly refused = new WeakSet<Task>();
  /** Of each duplicate, what it was to follow. */
  private readonly before = new WeakMap<Task, Task | undefined>();

  constructor(private readonly host: CommitsHost) {}

  /** @throws StoreUnavailableError within the commit timeout */
  add(heads: readonly Task[], isHeld: boolean): Promise<void> {
    // As they are now: what is added to a chain while these are stored comes with a commit of its own.
    const lines = heads.map((head) => [...lineFrom(head)]);
    const stored = this.keep(lines, isHeld);
    lines.flat().forEach((task) => {
      task.storing = stored;
    });
    return stored;
  }

  /** Resolves when it is known whether the store has the task. */
  async whenOver(task: Task): Promise<void> {
    await task.storing?.catch(() => undefined);
  }

  /** The store is not to run it after all, whether it has it by now or will. */
  async takeBack(task: Task): Promise<void> {
    await this.whenOver(task);
    if (!this.refused.has(task)) {
      this.host.producer.retract(linkOf(task));
    }
  }

  /**
   * Whom a task really follows: what stands before a duplicate, which has no job. Resolves once the
   * store has it; `undefined` where there is nobody.
   */
  async storedBefore(predecessor: Task): Promise<Task | undefined> {
    let after: Task | undefined = predecessor;
    while (after !== undefined) {
      await this.whenOver(after);
      if (!this.before.has(after)) {
        return after;
      }
      after = this.before.get(after);
    }
    return undefined;
  }

  private async keep(lines: readonly (readonly Task[])[], isHeld: boolean): Promise<void> {
    const { producer, fallback } = this.host;
    const tasks = lines.flat();
    try {
      const toStore = [];
      for (const line of lines) {
        const rest = await this.restOf(line);
        if (rest.length > 0) {
          toStore.push(rest);
        }
      }
      for (const task of toStore.length === 0 ? [] : await producer.add(toStore, isHeld)) {
        this.before.set(task, task.prior);
        this.drop(task, 'duplicate');
      }
      tasks.forEach((task) => this.host.collected.stored(task));
    } catch (error) {
      tasks.forEach((task) => this.refused.add(task));
      if (fallback === undefined || !(error instanceof StoreUnavailableError)) {
        throw error;
      }
      this.fallBack(fallback, tasks);
    } finally {
      tasks.forEach((task) => {
        task.storing = undefined;
      });
    }
  }

  /** What of a line is for the store, given what became of the task that it follows. */
  private async restOf(line: readonly Task[]): Promise<readonly Task[]> {
    const { fallback } = this.host;
    const [head] = line;
    if (head?.prior === undefined) {
      return line;
    }
    const after = await this.storedBefore(head.prior);
    head.prior = after;
    if (after === undefined) {
      return line;
    }
    if (fallback?.has(after)) {
      this.fallBack(fallback, line);
      return [];
    }
    const { dropped } = following(after.chain, standingOf(after), line);
    dropped.forEach((task) => this.drop(task, 'predecessor-failed'));
    return line.filter((task) => !dropped.includes(task));
  }

  private fallBack(fallback: Fallback, tasks: readonly Task[]): void {
    for (const task of tasks.filter(({ isOver }) => !isOver)) {
      fallback.take(task);
      this.host.collected.takeOut(task);
    }
  }

  private drop(task: Task, reason: 'duplicate' | 'predecessor-failed'): void {
    if (task.isOver) {
      return; // its request has failed meanwhile, by another engine
    }
    this.host.collected.takeOut(task);
    task.isOver = true;
    task.hasCompleted = reason === 'duplicate';
    this.host.worker.announce(task, { kind: 'dropped', reason });
  }
}
