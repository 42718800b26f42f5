import { ShutDownError } from '../../errors/misuse.errors.js';
import type { Clock } from '../../task/clock.js';
import type { Task } from '../../task/task.js';
import type { Dropped, Verdict } from '../../task/verdict.js';
import type { DrainScope, Engine, HeldStatus, QueueState, Worker } from '../engine.js';
import { Batches, lead } from './batches.js';
import { DedupeKeys } from './dedupe-keys.js';
import { Idleness } from './idleness.js';
import { MemoryQueue, type MemoryQueueSettings, type QueueHost } from './memory-queue.js';
import { OutsideRequests } from './outside-requests.js';
import type { Pace } from './pace.js';
import { Slice } from './slice.js';
import { Timers } from './timers.js';

/** Keeps tasks in the memory of the process: they do not survive it. */
export class MemoryEngine implements Engine {
  private readonly queues: ReadonlyMap<string, MemoryQueue>;
  private readonly timers: Timers;
  private readonly batches: Batches;
  private readonly pace: Pace;
  private readonly dedupeKeys = new DedupeKeys();
  private readonly idleness = new Idleness();
  private readonly outside = new OutsideRequests();
  /** Gathered ahead of their turn, with one before them in their line: see {@link gather}. */
  private readonly joined = new Set<Task>();
  private readonly clock: Clock;
  private state: 'open' | 'stopping' | 'closed' = 'open';
  private isDraining = false;
  /** Admitted and not settled. */
  private live = 0;

  constructor(
    queues: Iterable<MemoryQueueSettings>,
    private readonly worker: Worker,
    clock: Clock,
    pace?: Pace,
  ) {
    this.clock = this.outside.clock(clock);
    this.pace = pace ?? new Slice(this.clock);
    this.timers = new Timers(this.clock, (task) => this.enqueue(task));
    this.batches = new Batches(this.clock, (leader) => this.queueOf(leader).add(leader));
    const host: QueueHost = {
      clock: this.clock,
      pace: this.pace,
      attempt: (task) => this.attempt(task),
      longestPostponed: (queue) => this.timers.firstOf(queue),
      overflow: (task) => this.takeOut(task, { kind: 'dropped', reason: 'overflow' }),
    };
    this.queues = new Map(
      [...queues].map((settings) => [settings.name, new MemoryQueue(settings, host)]),
    );
  }

  duplicateOf(dedupeKey: string): Task | undefined {
    return this.dedupeKeys.holder(dedupeKey, this.clock.now());
  }

  admit(task: Task): void {
    if (this.state === 'closed') {
      throw new ShutDownError(task.name);
    }
    this.queueOf(task).admit();
    this.live += 1;
  }

  commit(): void {
    // Nothing to store: what the process holds is all there is.
  }

  release(head: Task): PromiseLike<void> | void {
    for (let task: Task | undefined = head; task !== undefined; task = task.successor) {
      if (task.outcome === undefined) {
        this.hold(task);
      }
    }
    this.enter(head);
    this.idleness.check();
  }

  follow(predecessor: Task, task: Task): void {
    const { outcome } = predecessor;
    if (outcome === undefined) {
      this.hold(task);
      // Released with a request, the predecessor may have others behind it already.
      lastInLine(predecessor).successor = task;
    } else if (outcome.status === 'completed') {
      void this.release(task);
    } else {
      this.end(task, { kind: 'dropped', reason: 'predecessor-failed' });
      this.idleness.check();
    }
  }

  discard(task: Task): void {
    this.leave(task);
    this.idleness.check();
  }

  cancel(task: Task): boolean {
    if (task.outcome !== undefined || isSharingItsRun(task)) {
      return false;
    }
    if (task.status === 'running') {
      // Its slot may go to another task at once, which must not see who cancelled this one.
      this.outside.run(() => task.attempt?.interrupt('cancelled'));
    } else {
      this.takeOut(task, { kind: 'cancelled' });
    }
    return true;
  }

  pause(queue?: string): void {
    this.some(queue).forEach((each) => each.setPaused(true));
  }

  resume(queue?: string): void {
    this.some(queue).forEach((each) => each.setPaused(false));
  }

  *tasks(dueBefore = Number.POSITIVE_INFINITY): Generator<Task> {
    for (const queue of this.queues.values()) {
      // One by one: who wants a hundred of a million does not wait for the rest.
      for (const place of [queue.started(), queue.waiting()]) {
        for (const task of place) {
          yield* this.withLine(task);
        }
      }
    }
    for (const task of this.timers) {
      if (this.timers.dueAt(task) < dueBefore) {
        yield* this.withLine(task);
      }
    }
    for (const task of this.batches) {
      yield* this.withLine(task);
    }
  }

  *states(): Generator<QueueState> {
    for (const [queue, { running, pending, oldestAddedAt, isPaused }] of this.queues) {
      yield { queue, running, pending, oldestAddedAt, isPaused };
    }
  }

  start(): void {
    this.pace.open();
  }

  whenIdle(): Promise<void> {
    return this.idleness.when(() => this.live === 0);
  }

  drain(deadline: number, awaited: DrainScope): Promise<void> {
    this.isDraining = true;
    this.batches.flushAll();
    const present = awaited === 'present' ? [...this.tasks(deadline)] : undefined;
    return this.idleness.when(
      () =>
        (present !== undefined && haveSettled(present)) ||
        (this.isEmpty &&
          this.timers.earliest >= deadline &&
          !(awaited === 'collected' && this.live > [...this.tasks()].length)),
    );
  }

  async stop(graceMs: number): Promise<void> {
    this.state = 'stopping';
    this.pace.close();
    const waiting = [...this.timers, ...this.batches];
    for (const queue of this.queues.values()) {
      waiting.push(...queue.waiting());
    }
    for (const task of waiting) {
      this.queueOf(task).withdraw(task);
      this.settle(task, { kind: 'abandoned' });
    }
    this.interrupt();
    // Those that heed their signal end in the grace time; the others are interrupted for good.
    const callOff = this.clock.after(graceMs, () => this.interrupt());
    await this.idleness.when(() => this.isEmpty);
    callOff();
  }

  close(): void {
    this.state = 'closed';
  }

  private hold(task: Task): void {
    task.status = 'queued';
    if (task.keys?.dedupe !== undefined) {
      this.dedupeKeys.claim(task.keys.dedupe, task, this.clock.now());
    }
  }

  /** The turn of the first in a line has come; those that are not to run any more end here. */
  private enter(first: Task | undefined): void {
    for (let task = first; task !== undefined; task = next(task)) {
      const isGathered = this.joined.delete(task);
      if (task.outcome !== undefined) {
        continue; // cancelled while it stood in line
      }
      if (isGathered) {
        return;
      }
      const end = this.endOf(task);
      if (end === undefined) {
        return this.wait(task);
      }
      this.end(task, end);
    }
  }

  /** Why a task whose turn has come will not run. */
  private endOf(task: Task): End | undefined {
    if (this.state !== 'open') {
      return { kind: 'abandoned' };
    }
    if (task.chain?.isBroken) {
      return { kind: 'dropped', reason: 'predecessor-failed' };
    }
    const key = task.keys?.dedupe;
    const holder = key === undefined ? task : this.duplicateOf(key);
    return holder === task ? undefined : { kind: 'dropped', reason: 'duplicate' };
  }

  private wait(task: Task): void {
    const { delayMs } = task.settings;
    if (delayMs > 0) {
      task.status = 'delayed';
      this.timers.add(task, this.clock.now() + delayMs);
    } else {
      this.enqueue(task);
    }
  }

  private enqueue(task: Task): void {
    const { batch } = task.settings;
    setStatus(task, 'queued');
    if (batch === undefined || task.followers !== undefined) {
      return this.queueOf(task).add(task);
    }
    this.gather(task, batch);
    if (this.isDraining) {
      this.batches.flushAll();
    }
  }

  /**
   * Calls of one request stand in line, and none would ever find another to be merged with: those
   * behind `first` that fit into its batch join it. A chain's do not, as each needs the one before.
   */
  private gather(first: Task, { size, waitMs }: Batching): void {
    this.batches.add(first, size, waitMs);
    let last = first;
    for (let task = last.successor; task !== undefined; task = last.successor) {
      const isFree = task.chain === undefined && task.settings.delayMs === 0;
      const isNext = task.outcome === undefined && this.endOf(task) === undefined;
      if (!isFree || !isNext || !this.batches.fits(task, last, size)) {
        return;
      }
      this.joined.add(task);
      this.batches.add(task, size, waitMs);
      last = task;
    }
  }

  private attempt(task: Task): void {
    setStatus(task, 'running');
    this.worker.attempt(task, this.conclude);
  }

  private readonly conclude = (task: Task, verdict: Verdict): void => {
    const queue = this.queueOf(task);
    queue.free(task);
    this.record(task, verdict);
    queue.pump();
    this.idleness.check();
  };

  private record(task: Task, verdict: Verdict): void {
    if (verdict.kind !== 'retry') {
      this.settle(task, verdict);
    } else if (this.state !== 'open') {
      this.settle(task, { kind: 'abandoned' });
    } else {
      setStatus(task, 'retrying');
      this.timers.add(task, this.clock.now() + verdict.delayMs);
      membersOf(task).forEach((member) => this.worker.announce(member, verdict));
    }
  }

  /** Ends a task and those that ran with it, and lets the lines behind them go on. */
  private settle(task: Task, end: End): void {
    const { followers } = task;
    this.end(task, end);
    followers?.forEach((follower) => this.end(follower, end));
    this.enter(next(task));
    followers?.forEach((follower) => this.enter(next(follower)));
  }

  /** Ends a task that waits, alone. */
  private takeOut(task: Task, end: End): void {
    const isWaiting = task.place !== undefined || task.leader !== undefined;
    this.leaveBatch(task);
    this.queueOf(task).withdraw(task);
    this.end(task, end);
    if (isWaiting && !this.joined.has(task)) {
      this.enter(next(task)); // else those behind it in its line wait for those before it
    }
    this.idleness.check();
  }

  private end(task: Task, end: End): void {
    task.followers = undefined;
    task.leader = undefined;
    if (task.outcome !== undefined) {
      return; // cancelled by a listener of another's end
    }
    this.leave(task);
    this.worker.announce(task, end);
    if (task.keys?.dedupe !== undefined) {
      this.dedupeKeys.settled(task, task.keys.dedupe, this.clock.now());
    }
  }

  /** A call that leaves its batch; another leads the batch if this one did. */
  private leaveBatch(task: Task): void {
    const { leader, followers } = task;
    task.followers = undefined;
    task.leader = undefined;
    if (leader?.followers !== undefined) {
      leader.followers = leader.followers.filter((follower) => follower !== task);
    }
    const [leading, ...others] = followers ?? [];
    if (leading === undefined) {
      return;
    }
    lead(leading, others);
    if (task.status === 'retrying') {
      this.timers.add(leading, this.timers.dueAt(task));
    } else {
      this.queueOf(leading).add(leading);
    }
  }

  /** The task, those that run with it, and those in line behind each. */
  private *withLine(head: Task): Generator<Task> {
    for (const member of membersOf(head)) {
      yield member;
      for (let task = member.successor; task !== undefined; task = task.successor) {
        if (task.outcome !== undefined) {
          continue; // cancelled while it stood in line
        }
        if (this.joined.has(task)) {
          break; // those behind it are in the line of its own
        }
        yield task;
      }
    }
  }

  private queueOf({ queue }: Task): MemoryQueue {
    const found = this.queues.get(queue);
    if (found === undefined) {
      throw new Error(`The memory engine has no queue "${queue}".`);
    }
    return found;
  }

  private some(queue: string | undefined): MemoryQueue[] {
    return [...this.queues].flatMap(([name, each]) =>
      queue === undefined || queue === name ? [each] : [],
    );
  }

  private leave(task: Task): void {
    this.live -= 1;
    this.queueOf(task).live -= 1;
  }

  /** Nothing runs or waits for a slot. */
  private get isEmpty(): boolean {
    return this.batches.isEmpty && [...this.queues.values()].every(({ isIdle }) => isIdle);
  }

  private interrupt(): void {
    for (const queue of this.queues.values()) {
      queue.interrupt();
    }
  }
}

/** How a task settles. */
type End = Exclude<Verdict, { kind: 'retry' }> | Dropped;

type Batching = NonNullable<Task['settings']['batch']>;

/** @returns the task behind `task` in its line, whose turn it is now */
function next(task: Task): Task | undefined {
  const { successor, chain, outcome } = task;
  task.successor = undefined;
  if (chain !== undefined && outcome?.status !== 'completed') {
    chain.isBroken = true;
  }
  return successor;
}

function lastInLine(task: Task): Task {
  let last = task;
  while (last.successor !== undefined) {
    last = last.successor;
  }
  return last;
}

/** Takes out those that have, so that asking again and again costs no more than each once. */
function haveSettled(tasks: Task[]): boolean {
  while (tasks.at(-1)?.outcome !== undefined) {
    tasks.pop();
  }
  return tasks.length === 0;
}

/** The task and those that run with it. */
function membersOf(task: Task): Task[] {
  return task.followers === undefined ? [task] : [task, ...task.followers];
}

function setStatus(task: Task, status: HeldStatus): void {
  task.status = status;
  task.followers?.forEach((follower) => {
    follower.status = status;
  });
}

/** Whether other calls run in the same body, which cannot be stopped for one of them. */
function isSharingItsRun({ status, leader, followers = [] }: Task): boolean {
  return status === 'running' && (leader !== undefined || followers.length > 0);
}
