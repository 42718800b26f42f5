import { ShutDownError } from '../../errors/misuse.errors.js';
import type { Clock } from '../../task/clock.js';
import type { TaskStorage } from '../../task/stored-call.js';
import type { Task } from '../../task/task.js';
import type { Dropped, Verdict } from '../../task/verdict.js';
import type { Engine, EngineSetting, HeldStatus, QueueState, Restorer, Worker } from '../engine.js';
import { Batches, lead } from './batches.js';
import { DedupeKeys } from './dedupe-keys.js';
import { Idleness } from './idleness.js';
import type { Ledger } from './ledger.js';
import { MemoryQueue, type QueueHost } from './memory-queue.js';
import { outsideRequests } from './outside-requests.js';
import { Slice } from './slice.js';
import { Timers } from './timers.js';

/** Keeps tasks in the memory of the process: they do not survive it. */
export class MemoryEngine implements Engine {
  private readonly queues: ReadonlyMap<string, MemoryQueue>;
  private readonly timers: Timers;
  private readonly batches: Batches;
  private readonly slice: Slice;
  private readonly dedupeKeys = new DedupeKeys();
  private readonly idleness = new Idleness();
  private readonly clock: Clock;
  private state: 'open' | 'stopping' | 'closed' = 'open';
  private isDraining = false;
  /** Admitted and not settled. */
  private live = 0;
  /** Settled, and not yet recorded as such. */
  private recording = 0;

  private readonly worker: Worker;
  private readonly elsewhere: (task: Task) => void;

  constructor(
    { queues, worker, clock, elsewhere }: EngineSetting,
    private readonly ledger?: Ledger,
  ) {
    this.worker = worker;
    this.elsewhere = elsewhere;
    this.clock = outsideRequests(clock);
    this.slice = new Slice(this.clock);
    this.timers = new Timers(this.clock, (task) => this.enqueue(task));
    this.batches = new Batches(this.clock, (leader) => this.queueOf(leader).add(leader));
    const host: QueueHost = {
      clock: this.clock,
      slice: this.slice,
      attempt: (task) => this.attempt(task),
      overflow: (task) => {
        this.queueOf(task).withdraw(task);
        this.settle(task, { kind: 'dropped', reason: 'overflow' });
        this.idleness.check();
      },
    };
    this.queues = new Map(
      queues.map((settings) => [settings.name, new MemoryQueue(settings, host)]),
    );
  }

  storageOf(_queue: string): TaskStorage | undefined {
    return undefined;
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

  commit(_tasks: readonly Task[]): Promise<void> | void {
    // Nothing to store: what the process holds is all there is.
  }

  release(head: Task): void {
    for (let task: Task | undefined = head; task !== undefined; task = task.successor) {
      task.status = 'queued';
      this.holdKey(task);
    }
    this.enter(head);
  }

  follow(predecessor: Task, task: Task): void {
    task.status = 'queued';
    this.holdKey(task);
    if (!predecessor.isOver) {
      task.successor = predecessor.successor;
      predecessor.successor = task;
    } else {
      this.release(task);
    }
  }

  discard(task: Task): void {
    task.isOver = true;
    this.leave(task);
    this.idleness.check();
  }

  cancel(task: Task): boolean {
    if (task.isOver || isSharingItsRun(task)) {
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

  open(): Promise<void> | void {
    // Nothing to make ready.
  }

  start(_restorer: Restorer): Promise<void> | void {
    this.slice.open();
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
        this.recording === 0 &&
        this.timers.earliest >= deadline &&
        !(withCollected && this.live > [...this.tasks()].length),
    );
  }

  async stop(graceMs: number): Promise<void> {
    this.state = 'stopping';
    this.slice.close();
    const waiting = [...this.timers, ...this.batches];
    for (const queue of this.queues.values()) {
      waiting.push(...queue.waiting());
    }
    for (const task of waiting) {
      this.queueOf(task).withdraw(task);
      this.settle(task, this.abandoned);
    }
    this.interrupt();
    // Those that heed their signal end in the grace time; the others are interrupted for good.
    const callOff = this.clock.after(graceMs, () => this.interrupt());
    await this.idleness.when(() => this.isEmpty && this.recording === 0);
    callOff();
  }

  close(): Promise<void> | void {
    this.state = 'closed';
  }

  /** The turn of the first in a line has come; those that are not to run any more end here. */
  private enter(
    first: Task | undefined,
    wait: (task: Task) => void = (task) => this.wait(task),
  ): void {
    let task = first;
    while (task !== undefined) {
      if (!this.queues.has(task.queue)) {
        return this.elsewhere(task);
      }
      const end = this.endOf(task);
      if (end === undefined) {
        return wait(task);
      }
      task = this.end(task, end);
    }
  }

  /** Why a task whose turn has come will not run. */
  protected endOf(task: Task): End | undefined {
    if (this.state !== 'open') {
      return this.abandoned;
    }
    if (task.chain?.isBroken) {
      return { kind: 'dropped', reason: 'predecessor-failed' };
    }
    const key = task.keys?.dedupe;
    const holder = key === undefined ? task : this.duplicateOf(key);
    return holder === task || holder === undefined
      ? undefined
      : { kind: 'dropped', reason: 'duplicate' };
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
    const recorded = this.recordStart(task);
    if (recorded === undefined) {
      return this.worker.attempt(task, this.conclude);
    }
    recorded.then(
      () =>
        this.state === 'open'
          ? this.worker.attempt(task, this.conclude)
          : this.conclude(task, this.abandoned),
      // What the disk does not take now, it may take later; until then the task is not lost.
      (error: unknown) => this.conclude(task, { kind: 'retry', delayMs: RECORD_AGAIN_MS, error }),
    );
  }

  private recordStart(task: Task): Promise<unknown> | void {
    const { ledger } = this;
    if (ledger === undefined || task.followers === undefined) {
      return ledger?.starting(task);
    }
    const recorded = membersOf(task).flatMap((member) => ledger.starting(member) ?? []);
    return recorded.length === 0 ? undefined : Promise.all(recorded);
  }

  private readonly conclude = (task: Task, verdict: Verdict): void => {
    this.record(task, verdict);
    this.queueOf(task).free(task);
    this.idleness.check();
  };

  private record(task: Task, verdict: Verdict): void {
    if (verdict.kind === 'abandoned') {
      this.settle(task, this.abandoned);
    } else if (verdict.kind === 'retry' && this.state !== 'open') {
      this.recordRetry(task, verdict.delayMs);
      this.settle(task, this.abandoned);
    } else if (verdict.kind !== 'retry') {
      this.settle(task, verdict);
    } else {
      setStatus(task, 'retrying');
      this.timers.add(task, this.recordRetry(task, verdict.delayMs));
      membersOf(task).forEach((member) => this.worker.announce(member, verdict));
    }
  }

  /** @returns when the next attempt is due */
  private recordRetry(task: Task, delayMs: number): number {
    const dueAt = this.clock.now() + delayMs;
    for (const member of membersOf(task)) {
      void this.ledger?.retrying(member, dueAt).catch(ignore);
    }
    return dueAt;
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
    if (task.isOver) {
      return successor; // cancelled while it stood in line
    }
    task.isOver = true;
    if (task.chain !== undefined && end.kind !== 'completed') {
      task.chain.isBroken = true;
    }
    const isKept = end.kind === 'abandoned' && end.isKept;
    const recorded = isKept ? this.ledger?.kept(task) : this.ledger?.settled(task);
    if (recorded === undefined) {
      this.tell(task, end);
    } else {
      // A record that could not be removed means one more run after the next start: at least once.
      this.tellOnceRecorded(task, end, recorded);
    }
    return successor;
  }

  private tellOnceRecorded(task: Task, end: End, recorded: Promise<void>): void {
    this.recording += 1;
    const tell = (): void => {
      this.recording -= 1;
      this.tell(task, end);
    };
    recorded.then(tell, tell);
  }

  /** Recorded: now it is announced. */
  private tell(task: Task, end: End): void {
    this.leave(task);
    this.worker.announce(task, end);
    if (task.keys?.dedupe !== undefined) {
      this.dedupeKeys.settled(task, task.keys.dedupe, this.clock.now());
    }
    this.idleness.check();
  }

  private get abandoned(): Abandoned {
    return { kind: 'abandoned', isKept: this.ledger !== undefined };
  }

  /** A task that a former process has left: admitted without asking, due when it was. */
  protected takeBack(head: Task, dueAtOf: (task: Task) => number): void {
    for (let task: Task | undefined = head; task !== undefined; task = task.successor) {
      this.queueOf(task).live += 1;
      this.live += 1;
      this.holdKey(task);
      task.status = 'queued';
    }
    this.enter(head, (task) => {
      const dueAt = dueAtOf(task);
      if (dueAt > this.clock.now()) {
        task.status = task.attempts > 0 ? 'retrying' : 'delayed';
        this.timers.add(task, dueAt);
      } else {
        this.enqueue(task);
      }
    });
  }

  private holdKey(task: Task): void {
    const now = this.clock.now();
    const key = task.keys?.dedupe;
    if (key !== undefined && this.dedupeKeys.holder(key, now) === undefined) {
      this.dedupeKeys.hold(key, task, now);
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

/** How long a task waits whose start could not be recorded, in milliseconds. */
const RECORD_AGAIN_MS = 1_000;

function ignore(): void {
  // Reported by the ledger itself.
}

type Abandoned = Extract<Verdict, { kind: 'abandoned' }>;

/** How a task settles. */
export type End = Exclude<Verdict, { kind: 'retry' }> | Dropped;

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
