import { following, lineFrom, standingOf } from '../../../task/line.js';
import type { Task } from '../../../task/task.js';
import type { Worker } from '../../engine.js';
import type { CollectedTasks } from './collected-tasks.js';
import type { Producer } from './producer.js';
import { linkOf } from '../codec/stored-job.js';

/** What commits need. */
export interface CommitsHost {
  readonly producer: Producer;
  readonly collected: CollectedTasks;
  readonly worker: Worker;
}

/** Brings tasks to the store. */
export class Commits {
  /** The producer has seen to those itself. */
  private readonly refused = new WeakSet<Task>();

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

  private async keep(lines: readonly (readonly Task[])[], isHeld: boolean): Promise<void> {
    const { producer, collected } = this.host;
    const tasks = lines.flat();
    try {
      const rests = await Promise.all(lines.map((line) => this.restOf(line)));
      const toStore = rests.filter(({ length }) => length > 0);
      for (const task of toStore.length === 0 ? [] : await producer.add(toStore, isHeld)) {
        this.drop(task, 'duplicate');
      }
      tasks.forEach((task) => collected.stored(task));
    } catch (error) {
      tasks.forEach((task) => this.refused.add(task));
      throw error;
    } finally {
      tasks.forEach((task) => {
        task.storing = undefined;
      });
    }
  }

  /** What of a line is for the store, given what became of the task that it stands behind. */
  private async restOf(line: readonly Task[]): Promise<readonly Task[]> {
    const [head] = line;
    const prior = head?.prior;
    if (head === undefined || prior === undefined) {
      return line;
    }
    await this.whenOver(prior);
    if (!prior.isOver) {
      return line;
    }
    head.prior = undefined;
    const { dropped } = following(prior.chain, standingOf(prior), line);
    dropped.forEach((task) => this.drop(task, 'predecessor-failed'));
    return line.filter((task) => !dropped.includes(task));
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
