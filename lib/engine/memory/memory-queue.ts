import { QueueFullError } from '../../errors/queue-full.error.js';
import type { Clock } from '../../task/clock.js';
import { LinkedList } from '../../task/linked-list.js';
import type { Task } from '../../task/task.js';
import type { QueueLimits, QueueState } from '../engine.js';
import { KeyLimit } from './key-limit.js';
import { Lanes, oldestOfLowest } from './lanes.js';
import { countOf } from './members.js';
import type { Pace } from './slice.js';
import { RateLimit } from './rate-limit.js';

/** What a queue needs from its engine. */
export interface QueueHost {
  readonly clock: Clock;
  readonly pace: Pace;
  /** Runs the task. Must call {@link MemoryQueue.free} and `pump()` when the slot is free again. */
  attempt(task: Task): void;
  /** The oldest delayed or retrying task of a queue, otherwise its oldest gathered one. */
  longestPostponed(queue: string): Task | undefined;
  /** Drops a task to make room. */
  overflow(task: Task): void;
}

/** One queue: its waiting tasks, its slots, and when the next task may start. */
export class MemoryQueue {
  /** Admitted and unsettled tasks: collected, waiting or running. */
  live = 0;
  private isPaused = false;
  private isPumping = false;
  /** Slots in use. */
  private running = 0;
  /** Running tasks; a batch has several in one slot. */
  private runningCalls = 0;
  private readonly lanes = new Lanes();
  private readonly keys: KeyLimit;
  private readonly rate: RateLimit | undefined;
  private readonly inProgress = new LinkedList<Task>();
  private callOffWake: (() => void) | undefined = undefined;

  constructor(
    private readonly settings: QueueLimits,
    private readonly host: QueueHost,
  ) {
    const { concurrencyPerKey, rateLimit } = settings;
    this.keys = new KeyLimit(concurrencyPerKey);
    this.rate = rateLimit && new RateLimit(rateLimit.max, rateLimit.perMs);
  }

  private get pending(): number {
    return this.live - this.runningCalls;
  }

  get state(): QueueState {
    const { running, pending, isPaused, settings } = this;
    const times = [this.lanes, ...this.keys.parked()].flatMap((each) => each.oldestAddedAt ?? []);
    const oldestAddedAt = times.length === 0 ? undefined : Math.min(...times);
    return { queue: settings.name, running, pending, oldestAddedAt, isPaused };
  }

  /** Nothing runs, and nothing will unless a task is added or the queue resumed. */
  get isIdle(): boolean {
    return (this.isPaused || this.lanes.isEmpty) && this.running === 0;
  }

  /**
   * @param isDeadLetter refuse instead of dropping: of many retried tasks, each would drop the one
   * before
   * @throws QueueFullError
   */
  admit(isDeadLetter = false): void {
    const { name, maxPending, overflow } = this.settings;
    if (this.pending >= maxPending) {
      const mayDrop = overflow === 'drop-oldest' && !isDeadLetter;
      const oldest = mayDrop ? this.leastMissed : undefined;
      if (oldest === undefined) {
        throw new QueueFullError(name, maxPending, overflow === 'reject');
      }
      this.host.overflow(oldest);
    }
    this.live += 1;
  }

  add(task: Task): void {
    task.status = 'queued';
    this.lanes.push(task);
    this.host.pace.request(this);
  }

  /** Frees the slot of a task whose attempt is over. */
  free(task: Task): void {
    this.inProgress.delete(task);
    this.running -= 1;
    this.runningCalls -= countOf(task);
    this.resume(this.keys.leave(task));
  }

  /** Removes a waiting task. */
  withdraw(task: Task): void {
    task.place?.remove(task);
    this.resume(this.keys.cancel(task));
  }

  /** Starts tasks until the slice is over; the rest follow in a later one. */
  pump(): void {
    if (!this.isPumping) {
      // A task that ends at once pumps again from within this loop, which goes on anyway.
      this.isPumping = true;
      this.startWhatMay();
      this.isPumping = false;
    }
  }

  private startWhatMay(): void {
    const { concurrency } = this.settings;
    while (!this.isPaused && this.running < concurrency && !this.lanes.isEmpty) {
      if (!this.host.pace.hasTime()) {
        return this.host.pace.request(this);
      }
      if (this.rate !== undefined && this.isRated(this.rate)) {
        return;
      }
      const task = this.lanes.take();
      if (task !== undefined && this.keys.enter(task)) {
        this.rate?.started(this.host.clock.now());
        this.inProgress.add(task);
        this.running += 1;
        this.runningCalls += countOf(task);
        this.host.attempt(task);
      }
    }
  }

  setPaused(isPaused: boolean): void {
    this.isPaused = isPaused;
    this.host.pace.request(this);
  }

  interrupt(): void {
    this.callOffWake?.();
    // A copy: a listener may cancel another task meanwhile.
    Array.from(this.inProgress).forEach(({ attempt }) => attempt?.interrupt('abandoned'));
  }

  /** The waiting tasks, the next to start first. */
  *waiting(): Generator<Task> {
    yield* this.lanes;
    for (const parked of this.keys.parked()) {
      yield* parked;
    }
  }

  /** The running and the waiting tasks. */
  *[Symbol.iterator](): Generator<Task> {
    yield* this.inProgress;
    yield* this.waiting();
  }

  private resume(task: Task | undefined): void {
    if (task !== undefined) {
      this.lanes.resume(task);
      this.host.pace.request(this);
    }
  }

  /**
   * The task to drop from a full queue. Tasks that a request has collected are never dropped for
   * others, and neither are those in line behind a running task.
   */
  private get leastMissed(): Task | undefined {
    return (
      oldestOfLowest([...this.keys.parked(), this.lanes]) ??
      this.host.longestPostponed(this.settings.name)
    );
  }

  /** Whether the rate limit is reached. If so, the queue wakes up when it no longer is. */
  private isRated(rate: RateLimit): boolean {
    const waitMs = rate.waitMs(this.host.clock.now());
    if (waitMs > 0) {
      this.callOffWake?.();
      this.callOffWake = this.host.clock.after(Math.ceil(waitMs), () =>
        this.host.pace.request(this),
      );
    }
    return waitMs > 0;
  }
}
