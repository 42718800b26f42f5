import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { Outcome } from '../task/outcome.js';
import type { Task } from '../task/task.js';

/**
 * Counters since the application started.
 *
 * @inline
 */
export interface TaskCounts {
  /** Tasks that were accepted. */
  readonly added: number;
  /** Tasks whose last attempt returned. */
  readonly completed: number;
  /** Tasks that failed for good. */
  readonly failed: number;
  /** Tasks that were cancelled. */
  readonly cancelled: number;
  /** Tasks that were never attempted. */
  readonly dropped: number;
  /** Tasks that the shutdown could not wait for. */
  readonly abandoned: number;
  /** Attempts that were followed by another. */
  readonly retried: number;
}

/**
 * How long the last attempts of tasks took, in milliseconds, within one percent.
 *
 * @inline
 */
export interface DurationStats {
  /** The arithmetic mean. */
  readonly mean: number;
  /** Half of the attempts took no longer. */
  readonly p50: number;
  /** 95 % of the attempts took no longer. */
  readonly p95: number;
  /** 99 % of the attempts took no longer. */
  readonly p99: number;
  /** The longest attempt. */
  readonly max: number;
}

/** The figures of one queue, or of one task name. */
export interface TaskFigures extends TaskCounts {
  /** Tasks with an attempt under way. */
  readonly running: number;
  /** Tasks that were added and neither run nor have settled. */
  readonly pending: number;
  /**
   * The share of failed tasks among completed and failed ones, from 0 to 1; 0 if nothing has run.
   */
  readonly failureRate: number;
  /** `undefined` where nothing has run. */
  readonly durations: DurationStats | undefined;
}

/** Users may build names from data. Beyond this many, names are counted together. */
const MAX_NAMES = 200;
const OTHER_NAMES = '(other)';

/** Counts what happens to tasks, by queue and by name. Exact: nothing is sampled. */
export class TaskStats {
  /** By name, then by queue. */
  private readonly tallies = new Map<string, Map<string, Tally>>();
  /** Tasks come in bursts of one kind, so that the last tally is mostly the next one, too. */
  private last:
    { readonly name: string; readonly queue: string; readonly tally: Tally } | undefined;

  added(task: Task): void {
    this.tallyOf(task).added += 1;
  }

  /** The task waits in a store, where another process may take it. */
  left(task: Task): void {
    this.tallyOf(task).left += 1;
  }

  returned(task: Task): void {
    this.tallyOf(task).left -= 1;
  }

  started(task: Task): void {
    this.tallyOf(task).running += 1;
  }

  retrying(task: Task): void {
    this.tallyOf(task).retrying();
  }

  /** Must be called before the task's status changes. */
  settled(task: Task, status: Outcome['status'], durationMs?: number): void {
    // A running task without an attempt has not been counted yet: its start is being recorded.
    const wasRunning = task.status === 'running' && task.attempt !== undefined;
    this.tallyOf(task).settled(status, wasRunning, durationMs);
  }

  ofQueue(queue: string): TaskFigures {
    const tallies = [...this.tallies.values()].map((queues) => queues.get(queue));
    return sum(tallies.filter((tally) => tally !== undefined)).figures();
  }

  ofNames(): Record<string, TaskFigures> {
    return Object.fromEntries(
      [...this.tallies].map(([name, queues]) => [name, sum([...queues.values()]).figures()]),
    );
  }

  private tallyOf({ name, queue }: Task): Tally {
    if (this.last?.name === name && this.last.queue === queue) {
      return this.last.tally;
    }
    const isKnown = this.tallies.has(name) || this.tallies.size < MAX_NAMES;
    const queues = entry(
      this.tallies,
      isKnown ? name : OTHER_NAMES,
      () => new Map<string, Tally>(),
    );
    const tally = entry(queues, queue, () => new Tally());
    this.last = { name, queue, tally };
    return tally;
  }
}

/** The counters of one name in one queue. */
class Tally {
  added = 0;
  running = 0;
  /** Tasks that have neither settled nor wait here. */
  left = 0;
  private retried = 0;
  private readonly ended = { completed: 0, failed: 0, cancelled: 0, dropped: 0, abandoned: 0 };
  private histogram: RecordableHistogram | undefined = undefined;

  retrying(): void {
    this.running -= 1;
    this.retried += 1;
  }

  settled(status: Outcome['status'], wasRunning: boolean, durationMs: number | undefined): void {
    this.ended[status] += 1;
    if (wasRunning) {
      this.running -= 1;
    }
    if (durationMs !== undefined) {
      this.histogram ??= createHistogram(HISTOGRAM);
      this.histogram.record(toMicroseconds(durationMs));
    }
  }

  add(other: Tally): void {
    this.added += other.added;
    this.running += other.running;
    this.left += other.left;
    this.retried += other.retried;
    for (const status of Object.keys(this.ended) as (keyof typeof this.ended)[]) {
      this.ended[status] += other.ended[status];
    }
    if (other.histogram !== undefined) {
      this.histogram ??= createHistogram(HISTOGRAM);
      this.histogram.add(other.histogram);
    }
  }

  figures(): TaskFigures {
    const { added, running, left, retried, ended } = this;
    const { completed, failed, cancelled, dropped, abandoned } = ended;
    const settled = completed + failed + cancelled + dropped + abandoned;
    const run = completed + failed;
    return {
      added,
      ...ended,
      retried,
      running,
      pending: added - left - settled - running,
      failureRate: run === 0 ? 0 : failed / run,
      durations: this.histogram && durationsOf(this.histogram),
    };
  }
}

/** Two digits, up to a day in microseconds: 30 kB each. */
const HISTOGRAM = { lowest: 1, highest: 86_400_000_000, figures: 2 } as const;

function toMicroseconds(durationMs: number): number {
  return Math.min(Math.max(1, Math.round(durationMs * 1_000)), HISTOGRAM.highest);
}

function durationsOf(histogram: RecordableHistogram): DurationStats {
  const percentile = (share: number): number => histogram.percentile(share) / 1_000;
  return {
    mean: histogram.mean / 1_000,
    p50: percentile(50),
    p95: percentile(95),
    p99: percentile(99),
    max: histogram.max / 1_000,
  };
}

function sum(tallies: readonly Tally[]): Tally {
  const total = new Tally();
  tallies.forEach((tally) => total.add(tally));
  return total;
}

function entry<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const known = map.get(key);
  if (known !== undefined) {
    return known;
  }
  const created = create();
  map.set(key, created);
  return created;
}
