import type { Clock } from '../../task/clock.js';
import type { Place, Task } from '../../task/task.js';
import { lead, membersOf } from './members.js';

type Batching = NonNullable<Task['settings']['batch']>;

interface Batch extends Place {
  readonly kind: string;
  readonly tasks: Task[];
  items: number;
  readonly callOff: () => void;
}

/** Gathers calls of methods with `batch` until there are enough or the first has waited long enough. */
export class Batches {
  /** By {@link kindOf}: only calls of one kind share a run. */
  private readonly gathering = new Map<string, Batch>();
  /** Tasks that joined the batch of a task before them in their line: see {@link gather}. */
  private readonly joined = new Set<Task>();

  constructor(
    private readonly clock: Clock,
    /** Receives the first task of a full batch, with the others as its followers. */
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
      this.flush(begun);
    }
    const batch = this.gathering.get(kind) ?? this.begin(kind, waitMs);
    batch.tasks.push(task);
    batch.items += items;
    task.place = batch;
    if (batch.items >= size) {
      this.flush(batch);
    }
  }

  /**
   * Adds `first`, and the tasks behind it in its line that fit into its batch: the calls of a
   * request wait for each other, and would never meet otherwise. Tasks of a chain do not join, as
   * each needs the one before to complete.
   */
  gather(first: Task, { size, waitMs }: Batching, mayJoin: (task: Task) => boolean): void {
    this.add(first, size, waitMs);
    let last = first;
    for (let task = last.successor; task !== undefined; task = last.successor) {
      if (!mayJoin(task) || !this.fits(task, last, size)) {
        return;
      }
      this.joined.add(task);
      this.add(task, size, waitMs);
      last = task;
    }
  }

  /** Called when the task's turn has come. @returns whether it had joined a batch before */
  unjoin(task: Task): boolean {
    return this.joined.delete(task);
  }

  hasJoined(task: Task): boolean {
    return this.joined.has(task);
  }

  /** The task, those that run with it, and those in line behind each of them. */
  *withLine(head: Task): Generator<Task> {
    for (const member of membersOf(head)) {
      yield member;
      for (let task = member.successor; task !== undefined; task = task.successor) {
        if (task.isOver) {
          continue; // cancelled while it stood in line
        }
        if (this.joined.has(task)) {
          break; // it is a member itself, with those behind it
        }
        yield task;
      }
    }
  }

  /** Whether `task` fits into the batch of `gathered`, which is still waiting here. */
  fits(task: Task, gathered: Task, size: number): boolean {
    const batch = this.gathering.get(kindOf(task));
    return batch !== undefined && gathered.place === batch && batch.items + itemsOf(task) <= size;
  }

  /** The oldest gathered task of a queue. */
  firstOf(queue: string): Task | undefined {
    for (const { tasks } of this.gathering.values()) {
      const [first] = tasks;
      if (first?.queue === queue) {
        return first;
      }
    }
    return undefined;
  }

  flushAll(): void {
    [...this.gathering.values()].forEach((batch) => this.flush(batch));
  }

  *[Symbol.iterator](): Generator<Task> {
    for (const { tasks } of this.gathering.values()) {
      yield* tasks;
    }
  }

  private begin(kind: string, waitMs: number): Batch {
    const batch: Batch = {
      kind,
      tasks: [],
      items: 0,
      callOff: this.clock.after(waitMs, () => this.flush(batch)),
      remove: (task) => this.remove(batch, task),
    };
    this.gathering.set(kind, batch);
    return batch;
  }

  private remove(batch: Batch, task: Task): void {
    task.place = undefined;
    batch.tasks.splice(batch.tasks.indexOf(task), 1);
    batch.items -= itemsOf(task);
    if (batch.tasks.length === 0) {
      this.close(batch);
    }
  }

  private flush(batch: Batch): void {
    this.close(batch);
    const [leader, ...followers] = batch.tasks;
    leader.place = undefined;
    lead(leader, followers);
    this.onFull(leader);
  }

  private close({ kind, callOff }: Batch): void {
    callOff();
    this.gathering.delete(kind);
  }
}

/**
 * Calls share a run only if they agree on everything that a run has once: lane, key, timeout, retry
 * policy.
 */
function kindOf({ definition, keys, settings }: Task): string {
  const { queue, priority, timeoutMs, retry } = settings;
  return JSON.stringify(
    [definition?.name, queue, priority, keys?.concurrency, timeoutMs, retry],
    (_key, value: unknown) => (typeof value === 'function' ? numberOf(value) : value),
  );
}

/** Numbers for functions, which JSON omits: two retry policies may differ in nothing else. */
const numbers = new WeakMap<object, number>();
let lastNumber = 0;

function numberOf(fn: object): number {
  const number = numbers.get(fn) ?? (lastNumber += 1);
  numbers.set(fn, number);
  return number;
}

function itemsOf({ args }: Task): number {
  return Array.isArray(args[0]) ? args[0].length : 0;
}
