import type { Clock } from '../../../task/clock.js';
import { breaksChain, type Outcome } from '../../../task/outcome.js';
import type { Task } from '../../../task/task.js';
import type { JobStore } from '../store/job-store.js';
import { SettledElsewhere } from './settled-elsewhere.js';

/** The handles that this process has given of stored tasks: what becomes of those shows on them. */
export class OwnHandles {
  private readonly recent = new RecentTasks();
  private readonly elsewhere: SettledElsewhere;
  /** Somebody waits for those already, and the store does not have them yet. */
  private readonly asked = new WeakSet<Task>();
  private isClosed = false;

  /** @param isHere whether a worker of this process has the task */
  constructor(store: JobStore, clock: Clock, isHere: (id: string) => boolean) {
    this.elsewhere = new SettledElsewhere(
      store,
      clock,
      isHere,
      (task) => this.recent.get(task.id) === task,
      (task, outcome) => this.settle(task, outcome),
    );
  }

  /** The store has it: whatever becomes of it, any process may tell. */
  add(task: Task): void {
    this.recent.add(task);
    if (this.asked.delete(task)) {
      this.watch(task);
    }
  }

  /** Whether all that was handed over is known to have settled. */
  get isEmpty(): boolean {
    return this.recent.isEmpty;
  }

  /** Another object of the same task is attempted here. */
  started(task: Task): void {
    this.recent.started(task);
  }

  /** Another object of the same task has settled here. */
  settled({ id, outcome }: Task): void {
    const task = this.recent.get(id);
    if (task !== undefined && outcome !== undefined) {
      this.settle(task, outcome);
    }
  }

  /** Somebody waits for it to settle, wherever that happens. */
  watch(task: Task): void {
    if (task.isOver) {
      return;
    }
    if (!this.recent.has(task)) {
      this.asked.add(task);
    } else if (this.isClosed) {
      // Not before whoever asks has begun to wait.
      void Promise.resolve().then(() => this.settleUnknown(task));
    } else {
      this.elsewhere.watch(task);
    }
  }

  /** This process had the task and lost it: the store says what becomes of it. */
  lost({ id }: Task): void {
    const task = this.recent.get(id);
    if (task !== undefined) {
      this.watch(task);
    }
  }

  /** Asks for nothing any more. */
  close(): Promise<void> {
    this.isClosed = true;
    return this.elsewhere.close();
  }

  /** Others go on with them, and this process will not know. */
  abandon(): void {
    for (const task of [...this.recent.all, ...this.elsewhere.tasks]) {
      this.settleUnknown(task);
    }
  }

  private settleUnknown(task: Task): void {
    if (task.outcome === undefined) {
      this.settle(task, { status: 'abandoned', attempts: task.attempts });
    }
  }

  private settle(task: Task, outcome: Outcome): void {
    this.recent.delete(task.id);
    this.elsewhere.forget(task.id);
    task.isOver = true;
    task.hasCompleted = !breaksChain(outcome);
    task.settle(outcome);
  }
}

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
