import { StoreUnavailableError } from '../../errors/storage.errors.js';
import type { Task } from '../../task/task.js';
import type { Restorer, Worker } from '../engine.js';
import type { CollectedTasks } from './collected-tasks.js';
import type { MemoryFallback } from './memory-fallback.js';
import type { Producer } from './producer.js';

/** What commits need. */
export interface CommitsHost {
  readonly producer: Producer;
  readonly collected: CollectedTasks;
  readonly fallback: MemoryFallback | undefined;
  readonly worker: Worker;
  readonly restorer: () => Restorer;
}

/** Brings tasks to the store; where it does not take them, to the memory of this process, if they may go there. */
export class Commits {
  /** Settled once the store has the task, or has not taken it. */
  private readonly underWay = new Map<Task, Promise<void>>();

  constructor(private readonly host: CommitsHost) {}

  /** @throws StoreUnavailableError within the commit timeout */
  add(tasks: readonly Task[], isHeld: boolean, after: Task | undefined): Promise<void> {
    const stored = this.keep(tasks, isHeld, after);
    tasks.forEach((task) => this.underWay.set(task, stored));
    return stored;
  }

  /** Resolves when it is known whether the store has the task. */
  async whenOver(task: Task): Promise<void> {
    await this.underWay.get(task)?.catch(() => undefined);
  }

  private async keep(
    tasks: readonly Task[],
    isHeld: boolean,
    after: Task | undefined,
  ): Promise<void> {
    const { producer, fallback } = this.host;
    try {
      if (after !== undefined && !(await this.mayFollow(tasks, after))) {
        return;
      }
      const duplicates = await producer.add(this.linesOf(tasks), isHeld, after);
      duplicates.forEach((task) => this.drop(task, 'duplicate'));
    } catch (error) {
      if (fallback === undefined || !(error instanceof StoreUnavailableError)) {
        throw error;
      }
      this.fallBack(fallback, tasks);
    } finally {
      tasks.forEach((task) => this.underWay.delete(task));
    }
  }

  private async mayFollow(tasks: readonly Task[], after: Task): Promise<boolean> {
    // Its job has to be there first: one that is not found counts as settled long ago.
    await this.whenOver(after);
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

  private fallBack(fallback: MemoryFallback, tasks: readonly Task[]): void {
    for (const task of tasks) {
      fallback.take(task);
      this.host.collected.giveBack(task);
    }
  }

  private drop(task: Task, reason: 'duplicate' | 'predecessor-failed'): void {
    this.host.collected.giveBack(task);
    task.isOver = true;
    this.host.worker.announce(task, { kind: 'dropped', reason });
  }
}

/** Whether what follows in its chain has to do without it, though no job in the store says so. */
function hasBroken({ chain, outcome }: Task): boolean {
  switch (outcome?.status) {
    case undefined:
    case 'completed':
      return false;
    case 'dropped':
      return chain !== undefined && outcome.reason !== 'duplicate';
    default:
      return chain !== undefined;
  }
}

function lineOf(head: Task): Task[] {
  const line: Task[] = [];
  for (let task: Task | undefined = head; task !== undefined; task = task.successor) {
    line.push(task);
  }
  return line;
}
