import { ShutDownError } from '../../errors/misuse.errors.js';
import type { Clock } from '../../task/clock.js';
import { behind, fallIn, following, lineFrom, standingOf, takeOff } from '../../task/line.js';
import type { Task } from '../../task/task.js';
import type { Verdict } from '../../task/verdict.js';
import type {
  DrainScope,
  Engine,
  EngineSetting,
  EngineSupport,
  QueueState,
  Restore,
  Worker,
} from '../engine.js';
import { Batches } from './batches.js';
import { DedupeKeys } from './dedupe-keys.js';
import { Idleness } from '../idleness.js';
import type { End, Ledger } from './ledger.js';
import { isSharingItsRun, leaveMembers, membersOf, setStatus } from './members.js';
import { MemoryQueue, type QueueHost } from './memory-queue.js';
import { clockOutside, outsideRequests } from './outside-requests.js';
import { Recorder } from './recorder.js';
import { Slice, type Pace } from './slice.js';
import { Timers } from './timers.js';

/** Keeps tasks in the memory of the process, which they do not survive. */
export class MemoryEngine implements Engine {
  protected readonly support: EngineSupport = { ...SUPPORT };
  private readonly queues: ReadonlyMap<string, MemoryQueue>;
  private readonly timers: Timers;
  private readonly batches: Batches;
  private readonly pace: Pace;
  private readonly dedupeKeys = new DedupeKeys();
  private readonly idleness = new Idleness();
  private readonly recorder: Recorder;
  private readonly clock: Clock;
  protected readonly worker: Worker;
  private state: 'open' | 'stopping' | 'closed' = 'open';
  private isDraining = false;

  constructor(
    { queues, worker, clock }: EngineSetting,
    /** Records the tasks if they have to survive the process. */
    ledger?: Ledger,
    pace?: Pace,
  ) {
    this.recorder = new Recorder(ledger);
    this.worker = worker;
    this.clock = clockOutside(clock);
    this.pace = pace ?? new Slice(this.clock);
    this.timers = new Timers(this.clock, (task) => this.enqueue(task));
    this.batches = new Batches(this.clock, (leader) => this.queueOf(leader).add(leader));
    const host: QueueHost = {
      clock: this.clock,
      pace: this.pace,
      attempt: (task) => this.attempt(task),
      longestPostponed: (queue) => this.timers.firstOf(queue) ?? this.batches.firstOf(queue),
      overflow: (task) => this.takeOut(task, { kind: 'dropped', reason: 'overflow' }),
    };
    this.queues = new Map(queues.map((each) => [each.name, new MemoryQueue(each, host)]));
  }

  supportOf(_queue: string): EngineSupport {
    return this.support;
  }

  duplicateOf(dedupeKey: string): Task | undefined {
    return this.dedupeKeys.holder(dedupeKey, this.clock.now());
  }

  admit(task: Task, isDeadLetter?: boolean): void {
    if (this.state === 'closed') {
      throw new ShutDownError(task.name);
    }
    this.queueOf(task).admit(isDeadLetter);
  }

  commit(_heads: readonly Task[], _isHeld?: boolean): Promise<void> | void {
    // Nothing to store.
  }

  release(head: Task): PromiseLike<void> | void {
    // No generator, for speed: most lines have one task, and a million may come at once.
    for (let task: Task | undefined = head; task !== undefined; task = task.successor) {
      this.hold(task);
    }
    const turn = fallIn(head);
    if (turn === 'now') {
      this.enter(head);
    } else if (turn === 'never') {
      this.end(head, PREDECESSOR_FAILED);
    }
    this.idleness.check();
  }

  discard(task: Task): void {
    task.isOver = true;
    this.queueOf(task).live -= 1;
    this.dropBehind(task, PREDECESSOR_FAILED);
    this.idleness.check();
  }

  cancel(task: Task): boolean {
    if (task.isOver || isSharingItsRun(task)) {
      return false;
    }
    if (task.status === 'running') {
      this.recorder.cancel(task);
      // The slot may go to another task at once, which must not see the canceller's async context.
      outsideRequests(() => task.attempt?.interrupt('cancelled'));
    } else {
      this.takeOut(task, { kind: 'cancelled' });
    }
    return true;
  }

  setPaused(isPaused: boolean, queue?: string): void {
    for (const [name, each] of this.queues) {
      if (queue === undefined || queue === name) {
        each.setPaused(isPaused);
      }
    }
  }

  *tasks(dueBefore = Number.POSITIVE_INFINITY): Generator<Task> {
    // Lazy: a caller who wants a hundred of a million tasks does not pay for the rest.
    for (const place of [...this.queues.values(), this.timers, this.batches, this.dedupeKeys]) {
      for (const task of place) {
        if (place !== this.timers || this.timers.dueAt(task) < dueBefore) {
          yield* this.batches.withLine(task);
        }
      }
    }
  }

  states(): Iterable<QueueState> {
    return Array.from(this.queues.values(), ({ state }) => state);
  }

  open(_restore: Restore): Promise<void> | void {
    // Nothing to open.
  }

  ping(): Promise<void> | void {
    // Always reachable.
  }

  start(): Promise<void> | void {
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
          this.recorder.isIdle &&
          this.timers.earliest >= deadline &&
          !(awaited === 'collected' && this.hasCollected)),
    );
  }

  async stop(graceMs: number): Promise<void> {
    this.state = 'stopping';
    this.pace.close();
    const waiting = [...this.timers, ...this.batches, ...this.dedupeKeys];
    for (const queue of this.queues.values()) {
      waiting.push(...queue.waiting());
    }
    for (const task of waiting) {
      this.queueOf(task).withdraw(task);
      this.settle(task, this.abandonmentOf(task));
    }
    this.interrupt();
    // After the grace time, tasks that ignored their signal are interrupted for good.
    const callOff = this.clock.after(graceMs, () => this.interrupt());
    await this.idleness.when(() => this.isEmpty && this.recorder.isIdle);
    callOff();
  }

  close(): Promise<void> | void {
    this.state = 'closed';
  }

  /**
   * Takes a line that an earlier process left behind, beyond any limit of the queue.
   *
   * @param dueAtOf when a task may start, in milliseconds since the epoch
   */
  protected takeBack(head: Task, dueAtOf: (task: Task) => number): void {
    for (const task of lineFrom(head)) {
      this.queueOf(task).live += 1;
      this.hold(task);
    }
    this.enter(head, dueAtOf);
  }

  protected keeps(task: Task): boolean {
    return this.queues.has(task.queue);
  }

  private queueOf({ queue }: Task): MemoryQueue {
    return this.queues.get(queue) as MemoryQueue; // each task goes to the engine of its queue
  }

  private hold(task: Task): void {
    if (task.isOver) {
      return; // cancelled before its response closed
    }
    task.status = 'queued';
    if (task.keys?.dedupe !== undefined) {
      this.dedupeKeys.claim(task.keys.dedupe, task, this.clock.now());
    }
  }

  /** Starts the first task of a line that may run; those that no longer run end here. */
  private enter(first: Task | undefined, dueAtOf?: (task: Task) => number): void {
    for (let task = first; task !== undefined; task = takeOff(task)) {
      const isGathered = this.batches.unjoin(task);
      if (task.isOver) {
        continue; // cancelled while it stood in line
      }
      if (isGathered) {
        return;
      }
      const end = this.endOf(task);
      if (end === DUPLICATE && this.isAgain(task)) {
        return;
      }
      if (end === undefined) {
        return this.wait(task, dueAtOf?.(task));
      }
      this.end(task, end);
    }
  }

  /** The end of a task that will not run although its turn has come. */
  protected endOf(task: Task): End | undefined {
    if (this.state !== 'open') {
      return this.abandonmentOf(task);
    }
    const key = task.keys?.dedupe;
    const holder = key === undefined ? undefined : this.duplicateOf(key);
    return holder === undefined || holder === task ? undefined : DUPLICATE;
  }

  /**
   * Keeps the call of a duplicate with `again`: the holder of the key, or the one waiting behind
   * it, takes over the call if its attempts have not begun; otherwise the duplicate itself runs
   * later.
   *
   * @returns whether the duplicate waits to run itself
   */
  private isAgain(task: Task): boolean {
    if (task.settings.dedupe?.again !== true) {
      return false;
    }
    // A duplicate has a key, and another task holds it.
    const key = task.keys?.dedupe as string;
    const holder = this.duplicateOf(key) as Task;
    const later = this.dedupeKeys.laterOf(key, holder);
    if (later === undefined) {
      this.dedupeKeys.wait(key, task);
      return true;
    }
    later.takeCall(task);
    this.recorder.changed(later, task);
    return false;
  }

  private wait(task: Task, dueAt: number | undefined): void {
    const { delayMs } = task.settings;
    const at = dueAt ?? (delayMs > 0 ? this.clock.now() + delayMs : undefined);
    if (at !== undefined && at > this.clock.now()) {
      task.status = task.attempts > 0 ? 'retrying' : 'delayed';
      this.timers.add(task, at);
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
    this.batches.gather(task, batch, (other) => this.mayJoin(other));
    if (this.isDraining) {
      this.batches.flushAll();
    }
  }

  /** Whether a task behind another in its line may join its batch, because its turn has come as well. */
  private mayJoin(task: Task): boolean {
    return task.chain === undefined && !task.isOver && this.endOf(task) === undefined;
  }

  private attempt(task: Task): void {
    setStatus(task, 'running');
    const recorded = this.recorder.begin(task);
    if (recorded === undefined) {
      this.worker.attempt(task, this.conclude);
    } else {
      void recorded.then((instead) =>
        instead === undefined && this.state === 'open'
          ? this.worker.attempt(task, this.conclude)
          : this.conclude(task, instead ?? ABANDONED),
      );
    }
  }

  private readonly conclude = (task: Task, verdict: Verdict): void => {
    const queue = this.queueOf(task);
    queue.free(task);
    this.record(task, verdict);
    queue.pump();
    this.idleness.check();
  };

  private record(task: Task, verdict: Verdict): void {
    if (verdict.kind === 'abandoned') {
      this.settle(task, this.abandonmentOf(task));
    } else if (verdict.kind !== 'retry') {
      this.settle(task, verdict);
    } else if (this.state !== 'open') {
      this.recordRetry(task, verdict.delayMs);
      this.settle(task, this.abandonmentOf(task));
    } else {
      this.timers.add(task, this.recordRetry(task, verdict.delayMs));
      for (const member of membersOf(task)) {
        member.status = 'retrying'; // one by one: before its announcement a member cannot be cancelled alone
        this.worker.announce(member, verdict);
      }
    }
  }

  /** @returns when the next attempt is due */
  private recordRetry(task: Task, delayMs: number): number {
    const dueAt = this.clock.now() + delayMs;
    this.recorder.retrying(task, dueAt);
    return dueAt;
  }

  /** Ends a task and those that ran with it, and lets their lines go on. */
  private settle(task: Task, end: End): void {
    const { followers } = task;
    this.end(task, end);
    followers?.forEach((follower) => this.end(follower, end));
    this.enter(takeOff(task));
    followers?.forEach((follower) => this.enter(takeOff(follower)));
  }

  /** Ends a waiting task, without the others of its batch. */
  private takeOut(task: Task, end: End): void {
    const isWaiting = task.place !== undefined || task.leader !== undefined;
    this.leaveBatch(task);
    this.queueOf(task).withdraw(task);
    this.end(task, end);
    if (isWaiting && !this.batches.hasJoined(task)) {
      this.enter(takeOff(task)); // otherwise the tasks behind it wait for those before it
    }
    this.idleness.check();
  }

  private end(task: Task, end: End): void {
    this.endAlone(task, end);
    if (end.kind !== 'abandoned') {
      this.dropBehind(task, end);
    }
  }

  /** The tasks of its chain are dropped at once, not when their turn would come. */
  private dropBehind(task: Task, end: End): void {
    if (task.chain !== undefined && task.successor !== undefined) {
      const { dropped } = following(task.chain, standingOf(task), behind(task));
      if (end.kind === 'failed' && !this.recorder.isLasting) {
        task.keepRest(dropped);
      }
      dropped.forEach((each) => this.endAlone(each, PREDECESSOR_FAILED));
    }
  }

  private endAlone(task: Task, end: End): void {
    task.followers = undefined;
    task.leader = undefined;
    if (task.isOver) {
      return; // cancelled by a listener of another task's end
    }
    task.isOver = true;
    // Another task does the work of a duplicate, so the tasks behind it may run.
    const isDuplicate = end.kind === 'dropped' && end.reason === 'duplicate';
    task.hasCompleted = end.kind === 'completed' || isDuplicate;
    if (task.keys?.dedupe !== undefined && end.kind !== 'completed' && end.kind !== 'failed') {
      this.dedupeKeys.free(task.keys.dedupe, task);
    }
    if (!this.recorder.settled(task, end, this.tellLater)) {
      this.tell(task, end);
    }
  }

  private abandonmentOf({ isCommitted }: Task): End {
    return this.recorder.isLasting && isCommitted ? KEPT : ABANDONED;
  }

  /** Announces a recorded end. */
  private tell(task: Task, end: End): void {
    this.queueOf(task).live -= 1;
    this.worker.announce(task, end);
    if (task.keys?.dedupe !== undefined) {
      this.enter(this.dedupeKeys.settled(task, task.keys.dedupe, this.clock.now()));
    }
  }

  private readonly tellLater = (task: Task, end: End): void => {
    this.tell(task, end);
    this.idleness.check();
  };

  /** Takes a call out of its batch. If it was the leader, the next one leads. */
  private leaveBatch(task: Task): void {
    const leading = leaveMembers(task);
    if (leading === undefined) {
      return;
    }
    if (task.status === 'retrying') {
      this.timers.add(leading, this.timers.dueAt(task));
    } else {
      this.queueOf(leading).add(leading);
    }
  }

  /** The number of admitted, unsettled tasks. */
  private get live(): number {
    let live = 0;
    for (const queue of this.queues.values()) {
      live += queue.live; // a loop, because this runs after every task: no array
    }
    return live;
  }

  private get isEmpty(): boolean {
    return this.batches.isEmpty && [...this.queues.values()].every(({ isIdle }) => isIdle);
  }

  /** Whether any request has unreleased tasks. */
  private get hasCollected(): boolean {
    return this.live > [...this.tasks()].length;
  }

  private interrupt(): void {
    this.queues.forEach((queue) => queue.interrupt());
  }
}

/** Calls stay as they are, and every option is supported. */
export const SUPPORT: EngineSupport = { engine: 'memory', storage: undefined };

const ABANDONED = { kind: 'abandoned' } as const satisfies End;
/** The task goes on after the next start. */
const KEPT: End = { kind: 'abandoned', isKept: true };
const DUPLICATE: End = { kind: 'dropped', reason: 'duplicate' };
const PREDECESSOR_FAILED: End = { kind: 'dropped', reason: 'predecessor-failed' };

/** Whether all have settled. Removes the settled ones, so that repeated checks cost each task once. */
function haveSettled(tasks: Task[]): boolean {
  while (tasks.at(-1)?.outcome !== undefined) {
    tasks.pop();
  }
  return tasks.length === 0;
}
