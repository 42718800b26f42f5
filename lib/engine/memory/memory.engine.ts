import { ShutDownError } from '../../errors/misuse.errors.js';
import type { Clock } from '../../task/clock.js';
import type { Task } from '../../task/task.js';
import type { Dropped, Verdict } from '../../task/verdict.js';
import type { Engine, HeldStatus, QueueState, Worker } from '../engine.js';
import { Batches, lead } from './batches.js';
import { DedupeKeys } from './dedupe-keys.js';
import { Idleness } from './idleness.js';
import { MemoryQueue, type MemoryQueueSettings, type QueueHost } from './memory-queue.js';
import { outsideRequests } from './outside-requests.js';
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
    this.clock = outsideRequests(clock);
    this.pace = pace ?? new Slice(this.clock);
    this.timers = new Timers(this.clock, (task) => this.enqueue(task));
    this.batches = new Batches(this.clock, (leader) => this.queueOf(leader).add(leader));
    const host: QueueHost = {
      clock: this.clock,
      pace: this.pace,
      attempt: (task) => this.attempt(task),
      overflow: (task) => {
        this.queueOf(task).withdraw(task);
        this.settle(task, { kind: 'dropped', reason: 'overflow' });
        this.idleness.check();
      },
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
    const now = this.clock.now();
    for (let task: Task | undefined = head; task !== undefined; task = task.successor) {
      task.status = 'queued';
      const key = task.keys?.dedupe;
      if (key !== undefined && this.dedupeKeys.holder(key, now) === undefined) {
        this.dedupeKeys.hold(key, task, now);
      }
    }
    this.enter(head);
  }

  follow(predecessor: Task, task: Task): void {
    task.status = 'queued';
    if (predecessor.outcome === undefined) {
      predecessor.successor = task;
    } else {
      void this.release(task);
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
      task.attempt?.interrupt('cancelled');
      return true;
    }
    this.leaveBatch(task);
    this.queueOf(task).withdraw(task);
    this.settle(task, { kind: 'cancelled' });
    this.idleness.check();
    return true;
  }

  pause(queue?: string): void {
    this.some(queue).forEach((each) => each.setPaused(true));
  }

  resume(queue?: string): void {
    this.some(queue).forEach((each) => each.setPaused(false));
  }

  *tasks(): Generator<Task> {
    for (const queue of this.queues.values()) {
      for (const task of [...queue.started(), ...queue.waiting()]) {
        yield* withLine(task);
      }
    }
    for (const task of [...this.timers, ...this.batches]) {
      yield* withLine(task);
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

  drain(deadline: number, withCollected: boolean): Promise<void> {
    this.isDraining = true;
    this.batches.flushAll();
    return this.idleness.when(
      () =>
        this.isEmpty &&
        this.timers.earliest >= deadline &&
        !(withCollected && this.live > [...this.tasks()].length),
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

  /** The turn of the first in a line has come; those that are not to run any more end here. */
  private enter(first: Task | undefined): void {
    let task = first;
    while (task !== undefined) {
      const end = this.endOf(task);
      if (end === undefined) {
        return this.wait(task);
      }
      task = this.end(task, end);
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
    this.batches.add(task, batch.size, batch.waitMs);
    if (this.isDraining) {
      this.batches.flushAll();
    }
  }

  private attempt(task: Task): void {
    setStatus(task, 'running');
    this.worker.attempt(task, this.conclude);
  }

  private readonly conclude = (task: Task, verdict: Verdict): void => {
    this.record(task, verdict);
    this.queueOf(task).free(task);
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
    this.enter(this.end(task, end));
    followers?.forEach((follower) => this.enter(this.end(follower, end)));
  }

  /** @returns the task whose turn it is now */
  private end(task: Task, end: End): Task | undefined {
    const { successor } = task;
    task.successor = undefined;
    if (task.outcome !== undefined) {
      return successor; // cancelled while it stood in line
    }
    if (task.chain !== undefined && end.kind !== 'completed') {
      task.chain.isBroken = true;
    }
    this.leave(task);
    this.worker.announce(task, end);
    if (task.keys?.dedupe !== undefined) {
      this.dedupeKeys.settled(task, task.keys.dedupe, this.clock.now());
    }
    return successor;
  }

  /** A call that leaves its batch; another leads the batch if this one did. */
  private leaveBatch(task: Task): void {
    const { leader, followers } = task;
    task.followers = undefined;
    task.leader = undefined;
    if (leader?.followers !== undefined) {
      leader.followers = leader.followers.filter((follower) => follower !== task);
    }
    const [next, ...others] = followers ?? [];
    if (next === undefined) {
      return;
    }
    lead(next, others);
    if (task.status === 'retrying') {
      this.timers.add(next, this.timers.dueAt(task));
    } else {
      this.queueOf(next).add(next);
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
function isSharingItsRun(task: Task): boolean {
  const leader = task.leader ?? task;
  return leader.status === 'running' && (leader.followers?.length ?? 0) > 0;
}

/** The task and those in line behind it. */
function* withLine(head: Task): Generator<Task> {
  for (const member of membersOf(head)) {
    for (let task: Task | undefined = member; task !== undefined; task = task.successor) {
      yield task;
    }
  }
}
