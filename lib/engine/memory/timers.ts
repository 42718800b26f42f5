import type { Clock } from '../../task/clock.js';
import { LinkedList, type Linked } from '../../task/linked-list.js';
import type { Place, Task } from '../../task/task.js';

interface Entry extends Linked<Entry> {
  readonly task: Task;
  readonly at: number;
  /** Tells apart what is due at the same time: first in, first out. */
  readonly turn: number;
  /** Where it stands in the heap. */
  index: number;
}

/** Tasks that wait for their time: a heap, and one timer for the earliest of them. */
export class Timers implements Place {
  private readonly heap: Entry[] = [];
  private readonly entries = new Map<Task, Entry>();
  /** Of each queue, in the order of their arrival: a map would look for its first behind all that were deleted. */
  private readonly arrivals = new Map<string, LinkedList<Entry>>();
  private turn = 0;
  private callOff: (() => void) | undefined = undefined;
  private armedFor = Number.POSITIVE_INFINITY;

  constructor(
    private readonly clock: Clock,
    private readonly onDue: (task: Task) => void,
  ) {}

  /** When the earliest is due: milliseconds since the epoch, infinity where none waits. */
  get earliest(): number {
    return this.heap[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  add(task: Task, at: number): void {
    const entry: Entry = {
      task,
      at,
      turn: this.turn++,
      index: this.heap.length,
      before: undefined,
      behind: undefined,
    };
    task.place = this;
    this.entries.set(task, entry);
    this.arrivalsOf(task).add(entry);
    this.heap.push(entry);
    this.rise(entry);
    this.arm();
  }

  remove(task: Task): void {
    const entry = this.entries.get(task);
    if (entry !== undefined) {
      this.take(entry);
      this.arm();
    }
  }

  /** When a task that waits here is due. */
  dueAt(task: Task): number {
    return this.entries.get(task)?.at ?? this.clock.now();
  }

  /** The one of a queue that has been waiting here for longest. */
  firstOf(queue: string): Task | undefined {
    return this.arrivals.get(queue)?.first?.task;
  }

  [Symbol.iterator](): IterableIterator<Task> {
    return this.entries.keys();
  }

  private arrivalsOf({ queue }: Task): LinkedList<Entry> {
    const arrivals = this.arrivals.get(queue) ?? new LinkedList<Entry>();
    this.arrivals.set(queue, arrivals);
    return arrivals;
  }

  private arm(): void {
    const { earliest } = this;
    if (earliest === this.armedFor) {
      return;
    }
    this.callOff?.();
    this.armedFor = earliest;
    this.callOff = Number.isFinite(earliest)
      ? this.clock.after(Math.max(0, Math.ceil(earliest - this.clock.now())), () => this.fire())
      : undefined;
  }

  private fire(): void {
    this.armedFor = Number.POSITIVE_INFINITY;
    this.callOff = undefined;
    const now = this.clock.now();
    const due: Task[] = [];
    for (let first = this.heap[0]; first !== undefined && first.at <= now; first = this.heap[0]) {
      this.take(first);
      due.push(first.task);
    }
    this.arm();
    due.forEach((task) => this.onDue(task));
  }

  private take(entry: Entry): void {
    this.entries.delete(entry.task);
    this.arrivalsOf(entry.task).delete(entry);
    entry.task.place = undefined;
    const last = this.heap.pop();
    if (last !== undefined && last !== entry) {
      this.put(last, entry.index);
      this.rise(last);
      this.sink(last);
    }
  }

  private rise(entry: Entry): void {
    while (entry.index > 0) {
      const parent = this.heap[(entry.index - 1) >> 1];
      if (parent === undefined || isBefore(parent, entry)) {
        return;
      }
      const { index } = parent;
      this.put(parent, entry.index);
      this.put(entry, index);
    }
  }

  private sink(entry: Entry): void {
    for (;;) {
      const left = this.heap[2 * entry.index + 1];
      const right = this.heap[2 * entry.index + 2];
      const child =
        right !== undefined && left !== undefined && isBefore(right, left) ? right : left;
      if (child === undefined || isBefore(entry, child)) {
        return;
      }
      const { index } = child;
      this.put(child, entry.index);
      this.put(entry, index);
    }
  }

  private put(entry: Entry, index: number): void {
    entry.index = index;
    this.heap[index] = entry;
  }
}

function isBefore(one: Entry, other: Entry): boolean {
  return one.at === other.at ? one.turn < other.turn : one.at < other.at;
}
