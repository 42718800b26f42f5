import type { Clock } from '../../task/clock.js';
import type { Place, Task } from '../../task/task.js';

interface Batch {
  readonly tasks: Task[];
  items: number;
  readonly callOff: () => void;
}

/** Gathers calls of methods with `batch`, until there are enough or the first has waited enough. */
export class Batches implements Place {
  /** By what makes calls fit into one run: see {@link kindOf}. */
  private readonly gathering = new Map<string, Batch>();

  constructor(
    private readonly clock: Clock,
    /** Takes the first task of a full batch, the others as its followers. */
    private readonly onFull: (leader: Task) => void,
  ) {}

  get isEmpty(): boolean {
    return this.gathering.size === 0;
  }

  add(task: Task, size: number, waitMs: number): void {
    const kind = kindOf(task);
    const items = itemsOf(task);
    const begun = this.gathering.get(kind);
    if (begun !== undefined && begun.items + items > size) {
      this.flush(kind);
    }
    const batch = this.gathering.get(kind) ?? this.begin(kind, waitMs);
    batch.tasks.push(task);
    batch.items += items;
    task.place = this;
    if (batch.items >= size) {
      this.flush(kind);
    }
  }

  /** Whether `task` would run together with `gathered`, which is still waiting here. */
  fits(task: Task, gathered: Task, size: number): boolean {
    const kind = kindOf(task);
    const batch = gathered.place === this ? this.gathering.get(kind) : undefined;
    return batch !== undefined && kindOf(gathered) === kind && batch.items + itemsOf(task) <= size;
  }

  remove(task: Task): void {
    task.place = undefined;
    const kind = kindOf(task);
    const batch = this.gathering.get(kind);
    const index = batch?.tasks.indexOf(task) ?? -1;
    if (batch !== undefined && index >= 0) {
      batch.tasks.splice(index, 1);
      batch.items -= itemsOf(task);
      if (batch.tasks.length === 0) {
        batch.callOff();
        this.gathering.delete(kind);
      }
    }
  }

  /** Sends off what has been gathered, without waiting any longer. */
  flushAll(): void {
    [...this.gathering.keys()].forEach((kind) => this.flush(kind));
  }

  *[Symbol.iterator](): Generator<Task> {
    for (const { tasks } of this.gathering.values()) {
      yield* tasks;
    }
  }

  private begin(kind: string, waitMs: number): Batch {
    const callOff = this.clock.after(waitMs, () => this.flush(kind));
    const batch: Batch = { tasks: [], items: 0, callOff };
    this.gathering.set(kind, batch);
    return batch;
  }

  private flush(kind: string): void {
    const batch = this.gathering.get(kind);
    const [leader, ...followers] = batch?.tasks ?? [];
    batch?.callOff();
    this.gathering.delete(kind);
    if (leader !== undefined) {
      leader.place = undefined;
      lead(leader, followers);
      this.onFull(leader);
    }
  }
}

/** Puts `followers` behind the task that runs for all of them. */
export function lead(leader: Task, followers: Task[]): void {
  leader.leader = undefined;
  leader.followers = followers;
  for (const task of followers) {
    task.place = undefined;
    task.leader = leader;
  }
}

/**
 * One run has one lane, one slot of one key, one timeout and one retry policy: calls that differ in
 * any of them do not share it.
 */
function kindOf({ definition, keys, settings }: Task): string {
  const { queue, priority, timeoutMs, retry } = settings;
  return JSON.stringify([definition?.name, queue, priority, keys?.concurrency, timeoutMs, retry]);
}

function itemsOf({ args }: Task): number {
  return Array.isArray(args[0]) ? args[0].length : 0;
}
