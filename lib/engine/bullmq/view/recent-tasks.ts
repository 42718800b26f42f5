import type { Task } from '../../../task/task.js';

/** A handle whose task is older may not learn by itself how it ended: `TaskRunner.get()` does. */
const MOST = 10_000;

/**
 * The tasks that this process has added and handed over, the latest ones: what happens to them here
 * shows on their handles. Bounded, because what happens elsewhere is not told unless asked for.
 *
 * Two generations, of which the older is dropped as a whole: to look for the oldest of a map whose
 * first entries were deleted takes longer with each of them.
 */
export class RecentTasks {
  private young = new Map<string, Task>();
  private old = new Map<string, Task>();

  add(task: Task): void {
    if (this.young.size >= MOST) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(task.id, task);
  }

  /** Even one that is no longer among the latest: somebody asks for it. */
  has(task: Task): boolean {
    return task.knownId !== undefined && task.isCommitted;
  }

  get all(): Task[] {
    return [...this.old.values(), ...this.young.values()];
  }

  get isEmpty(): boolean {
    return this.old.size + this.young.size === 0;
  }

  get(id: string): Task | undefined {
    return this.young.get(id) ?? this.old.get(id);
  }

  delete(id: string): void {
    if (!this.young.delete(id)) {
      this.old.delete(id);
    }
  }

  started({ id, attempts }: Task): void {
    const task = this.get(id);
    if (task !== undefined) {
      task.status = 'running';
      task.attempts = attempts;
    }
  }
}
