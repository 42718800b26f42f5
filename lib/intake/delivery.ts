import type { Engine } from '../engine/engine.js';
import type { Observer } from '../observe/observer.js';
import { headsOf } from '../task/line.js';
import type { DropReason } from '../task/outcome.js';
import type { Task } from '../task/task.js';

/** The last stretch to the engine, for tasks of requests and others: what is to run is stored, and handed over. */
export class Delivery {
  constructor(
    private readonly engine: Engine,
    private readonly observer: Observer,
  ) {}

  /**
   * Stores tasks where their engine stores: then this resolves when they are, and rejects where they
   * are not. Then they have been dropped.
   *
   * @param tasks linked to their lines
   */
  commit(tasks: readonly Task[], isHeld: boolean): Promise<void> | void {
    return this.engine.commit(headsOf(tasks), isHeld)?.catch((error: unknown) => {
      // The last first: an engine that discards a task goes on with what stands behind it.
      tasks.toReversed().forEach((task) => this.drop(task, 'not-stored'));
      throw error;
    });
  }

  /**
   * Lets lines start.
   *
   * @param tasks all that are in them; over is what a store knew another of, with its dedupe key, or
   * what was cancelled meanwhile
   */
  release(heads: readonly Task[], tasks: readonly Task[]): PromiseLike<void> | void {
    const released = tasks.filter(({ isOver }) => !isOver);
    let accepted: PromiseLike<void> | void = undefined;
    for (const head of heads) {
      accepted = this.engine.release(head);
    }
    released.forEach((task) => this.observer.queued(task));
    return accepted;
  }

  drop(task: Task, reason: DropReason): void {
    if (!task.isOver) {
      this.engine.discard(task);
      this.observer.dropped(task, reason);
    }
  }
}
