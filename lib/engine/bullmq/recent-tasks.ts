import type { Task } from '../../task/task.js';

/** A handle whose task is older may not learn by itself how it ended: `TaskRunner.get()` does. */
const MOST = 10_000;

/**
 * The tasks that this process has added and handed over, the latest ones: what happens to them here
 * shows on their handles. Bounded, because what happens elsewhere is not told unless asked for.
 */
export class RecentTasks {
  private readonly tasks = new Map<string, Task>();

  add(task: Task): void {
    this.tasks.set(task.id, task);
    if (this.tasks.size > MOST) {
      const [oldest = ''] = this.tasks.keys();
      this.tasks.delete(oldest);
    }
  }

  /** Even one that is no longer among the latest: somebody asks for it. */
  has(task: Task): boolean {
    return task.knownId !== undefined && task.isCommitted;
  }

  get all(): Task[] {
    return [...this.tasks.values()];
  }

  get(id: string): Task | undefined {
    return this.tasks.get(id);
  }

  delete(id: string): void {
    this.tasks.delete(id);
  }

  started({ id, attempts }: Task): void {
    const task = this.tasks.get(id);
    if (task !== undefined) {
      task.status = 'running';
      task.attempts = attempts;
    }
  }
}
