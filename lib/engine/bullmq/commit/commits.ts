import { StoreUnavailableError } from '../../../errors/storage.errors.js';
import { breaksChain } from '../../../task/outcome.js';
import type { Task } from '../../../task/task.js';
import type { Restorer, Worker } from '../../engine.js';
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
  readonly restorer: () => Restorer;
}

/** Brings tasks to the store; where it does not take them, to the memory of this process, if they may go there. */
export class Commits {
  /** The producer has seen to those itself. */
  private readonly refused = new WeakSet<Task>();
  /** Of each duplicate, what it was to follow. */
  private readonly before = new WeakMap<Task, Task | undefined>();

  constructor(private readonly host: CommitsHost) {}

  /** @throws StoreUnavailableError within the commit timeout */
  add(tasks: readonly Task[], isHeld: boolean, after: Task | undefined): Promise<void> {
    const stored = this.keep(tasks, isHeld, after);
    tasks.forEach((task) => {
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

  private async keep(
    tasks: readonly Task[],
    isHeld: boolean,
    predecessor: Task | undefined,
  ): Promise<void> {
    const { producer, fallback } = this.host;
    try {
      const after = predecessor && (await this.storedBefore(predecessor));
      if (after !== undefined && !this.mayFollow(tasks, after)) {
        return;
      }
      const duplicates = await producer.add(this.linesOf(tasks), isHeld, after);
      for (const task of duplicates) {
        this.before.set(task, after);
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

  private mayFollow(tasks: readonly Task[], after: Task): boolean {
    const { fallback } = this.host;
    if (fallback?.has(after)) {
      this.fallBack(fallback, tasks);
      return false;
    }
    if (hasBroken(after)) {
      tasks.forEach((task) => this.drop(task, 'predecessor-failed'));
      return false;
    }
    return true;
  }

  private linesOf(tasks: readonly Task[]): readonly (readonly Task[])[] {
    return tasks.length <= 1 ? [tasks] : this.host.restorer().line(tasks).map(lineOf);
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
    this.host.worker.announce(task, { kind: 'dropped', reason });
  }
}

/** Whether what follows in its chain has to do without it, though no job in the store says so. */
function hasBroken({ chain, outcome }: Task): boolean {
  return chain !== undefined && outcome !== undefined && breaksChain(outcome);
}

function lineOf(head: Task): Task[] {
  const line: Task[] = [];
  for (let task: Task | undefined = head; task !== undefined; task = task.successor) {
    line.push(task);
  }
  return line;
}
