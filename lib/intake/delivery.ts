import type { Engine } from '../engine/engine.js';
import type { Observer } from '../observe/observer.js';
import { headsOf } from '../task/line.js';
import type { DropReason } from '../task/outcome.js';
import type { Task } from '../task/task.js';

/** Hands tasks over to the engine: commits and releases them, for requests and single calls. */
export class Delivery {
  constructor(
    private readonly engine: Engine,
    private readonly observer: Observer,
  ) {}

  /**
   * Commits tasks. With an engine that stores, resolves when they are stored; if that fails, drops
   * them and rejects.
   *
   * @param tasks linked into their lines
   */
  commit(tasks: readonly Task[], isHeld: boolean): Promise<void> | void {
    return this.engine
      .commit(headsOf(tasks), isHeld)
      ?.catch((error: unknown) => this.refuse(tasks, error));
  }

  /** Commits a line and releases it. Rejects as {@link commit} does, and nobody has to handle that. */
  send(line: readonly Task[]): PromiseLike<void> | void {
    const heads = headsOf(line);
    const stored = this.engine.commit(heads, false);
    if (stored === undefined) {
      return this.release(heads, line);
    }
    const released = stored.then(
      () => this.release(heads, line),
      (error: unknown) => this.refuse(line, error),
    );
    // The handle and the log report the error: a caller who does not wait must not crash the process.
    released.catch(() => undefined);
    return released;
  }

  /**
   * Releases lines.
   *
   * @param tasks all tasks of the lines. Some may be over: a duplicate in the store, or cancelled
   * meanwhile
   */
  release(heads: readonly Task[], tasks: readonly Task[]): PromiseLike<void> | void {
    let accepted: PromiseLike<void> | void = undefined;
    for (const head of heads) {
      accepted = this.engine.release(head);
    }
    for (const task of tasks) {
      this.observer.queued(task);
    }
    return accepted;
  }

  drop(task: Task, reason: DropReason): void {
    if (!task.isOver) {
      this.engine.discard(task);
      this.observer.dropped(task, reason);
    }
  }

  private refuse(tasks: readonly Task[], error: unknown): never {
    // Last first, because an engine that discards a task lets the task behind it go on.
    tasks.toReversed().forEach((task) => this.drop(task, 'not-stored'));
    throw error;
  }
}
