import type { Clock } from '../../task/clock.js';
import { LinkedList } from '../../task/linked-list.js';
import type { Place, Task } from '../../task/task.js';

/** The place of one task that waits for a time. */
class Wait implements Place {
  constructor(
    private readonly timers: Timers,
    readonly task: Task,
    readonly at: number,
    /** Orders tasks that are due at the same time: FIFO. */
    readonly turn: number,
    /** The index in the heap. */
    public index: number,
  ) {}

  remove(): void {
    this.timers.remove(this.task);
  }

  isBefore({ at, turn }: Wait): boolean {
    return this.at === at ? this.turn < turn : this.at < at;
  }
}

/** Tasks that wait for a time: a heap, and one timer for the earliest. */
export class Timers {
  private readonly heap: Wait[] = [];
  /** The tasks of each queue in the order of arrival. */
  private readonly arrivals = new Map<string, LinkedList<Task>>();
  private turn = 0;
  private callOff: (() => void) | undefined = undefined;
  private armedFor = Number.POSITIVE_INFINITY;

  constructor(
    private readonly clock: Clock,
    private readonly onDue: (task: Task) => void,
  ) {}

  /** When the earliest task is due, in milliseconds since the epoch; Infinity if none waits. */
  get earliest(): number {
    return this.heap[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  add(task: Task, at: number): void {
    const wait = new Wait(this, task, at, this.turn++, this.heap.length);
    task.place = wait;
    this.arrivalsOf(task).add(task);
    this.heap.push(wait);
    this.rise(wait);
    this.arm();
  }

  remove({ place }: Task): void {
    if (place instanceof Wait) {
      this.take(place);
      this.arm();
    }
  }

  dueAt({ place }: Task): number {
    return place instanceof Wait ? place.at : this.clock.now();
  }

  /** The oldest waiting task of a queue. */
  firstOf(queue: string): Task | undefined {
    return this.arrivals.get(queue)?.first;
  }

  *[Symbol.iterator](): Generator<Task> {
    for (const arrivals of this.arrivals.values()) {
      yield* arrivals;
    }
  }

  private arrivalsOf({ queue }: Task): LinkedList<Task> {
    const arrivals = this.arrivals.get(queue) ?? new LinkedList<Task>();
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

  private take({ task, index }: Wait): void {
    this.arrivalsOf(task).delete(task);
    task.place = undefined;
    const last = this.heap.pop();
    if (last !== undefined && last.task !== task) {
      this.put(last, index);
      this.rise(last);
      this.sink(last);
    }
  }

  private rise(wait: Wait): void {
    const parentOf = ({ index }: Wait): Wait | undefined => this.heap[(index - 1) >> 1];
    for (let above = parentOf(wait); above && wait.isBefore(above); above = parentOf(wait)) {
      this.swap(wait, above);
    }
  }

  private sink(wait: Wait): void {
    for (;;) {
      const child = this.childOf(wait);
      if (child === undefined || wait.isBefore(child)) {
        return;
      }
      this.swap(wait, child);
    }
  }

  /** The earlier of the two children. */
  private childOf({ index }: Wait): Wait | undefined {
    const [left, right] = [this.heap[2 * index + 1], this.heap[2 * index + 2]];
    return left !== undefined && right?.isBefore(left) ? right : left;
  }

  private swap(one: Wait, other: Wait): void {
    const { index } = one;
    this.put(one, other.index);
    this.put(other, index);
  }

  private put(wait: Wait, index: number): void {
    wait.index = index;
    this.heap[index] = wait;
  }
}
