import type { Priority } from '../../task/task-options.js';
import type { Task } from '../../task/task.js';
import { TaskList } from './task-list.js';

/** The first is served first. */
const ORDER: readonly Priority[] = ['high', 'normal', 'low'];

/**
 * How often a waiting lane is passed over before it gets one task through: of eleven starts, the
 * lower lane has one, however busy the higher ones are.
 */
const PATIENCE = 10;

interface Lane {
  /** Called back for a slot of their key, which is reserved for them: older than `waiting`. */
  readonly resumed: TaskList;
  readonly waiting: TaskList;
  passedOver: number;
}

/** The waiting tasks of a queue: higher priority first, FIFO within one priority. */
export class Lanes {
  private readonly lanes: readonly Lane[] = ORDER.map(() => ({
    resumed: new TaskList(),
    waiting: new TaskList(),
    passedOver: 0,
  }));

  get isEmpty(): boolean {
    for (const lane of this.lanes) {
      if (!isEmpty(lane)) {
        return false;
      }
    }
    return true;
  }

  push(task: Task): void {
    this.laneOf(task).waiting.push(task);
  }

  resume(task: Task): void {
    this.laneOf(task).resumed.push(task);
  }

  take(): Task | undefined {
    const next = this.next();
    return next?.resumed.isEmpty ? next.waiting.shift() : next?.resumed.shift();
  }

  /** The oldest task of one priority, except those with a reserved slot. */
  firstOf(priority: Priority): Task | undefined {
    return this.lanes[ORDER.indexOf(priority)].waiting.first;
  }

  /** When the oldest of all was added, in milliseconds since the epoch. */
  get oldestAddedAt(): number | undefined {
    const firsts = this.lanes.flatMap(({ resumed, waiting }) => [resumed.first, waiting.first]);
    const times = firsts.flatMap((task) => (task === undefined ? [] : [task.addedAt]));
    return times.length === 0 ? undefined : Math.min(...times);
  }

  *[Symbol.iterator](): Generator<Task> {
    for (const { resumed, waiting } of this.lanes) {
      yield* resumed;
      yield* waiting;
    }
  }

  /** The lane whose turn it is. Counts the other waiting lanes as passed over. */
  private next(): Lane | undefined {
    let next: Lane | undefined;
    for (const lane of this.lanes) {
      lane.passedOver = isEmpty(lane) ? 0 : lane.passedOver + 1;
      const isPatient = lane.passedOver > PATIENCE;
      if (isPatient ? (next?.passedOver ?? 0) <= PATIENCE : lane.passedOver > 0 && !next) {
        next = lane;
      }
    }
    if (next !== undefined) {
      next.passedOver = 0;
    }
    return next;
  }

  private laneOf(task: Task): Lane {
    return this.lanes[ORDER.indexOf(task.settings.priority)];
  }
}

/** The oldest task of the lowest priority: the one that an overflowing queue drops. */
export function oldestOfLowest(all: readonly Lanes[]): Task | undefined {
  for (const priority of ORDER.toReversed()) {
    const [first, ...others] = all.flatMap((lanes) => lanes.firstOf(priority) ?? []);
    if (first !== undefined) {
      return others.reduce(
        (oldest, task) => (task.addedAt < oldest.addedAt ? task : oldest),
        first,
      );
    }
  }
  return undefined;
}

function isEmpty({ resumed, waiting }: Lane): boolean {
  return waiting.isEmpty && resumed.isEmpty;
}
