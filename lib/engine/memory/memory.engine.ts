import { AsyncResource } from 'node:async_hooks';
import { ShutDownError } from '../../errors/misuse.errors.js';
import type { Clock } from '../../task/clock.js';
import type { Task } from '../../task/task.js';
import type { Verdict } from '../../task/verdict.js';
import type { Engine, Worker } from '../engine.js';
import { MemoryQueue } from './memory-queue.js';
import { Slice } from './slice.js';
import { Timers } from './timers.js';

/** The limits of one queue. */
export interface MemoryQueueSettings {
  readonly name: string;
  readonly concurrency: number;
}

interface Drain {
  readonly deadline: number;
  readonly resolve: () => void;
}

/** Keeps tasks in the memory of the process: they do not survive it. */
export class MemoryEngine implements Engine {
  private readonly queues: ReadonlyMap<string, MemoryQueue>;
  private readonly timers: Timers;
  private readonly slice: Slice;
  private isStopped = false;
  private drains: readonly Drain[] = [];
  /**
   * Timers and attempts are made from here: in the context of whoever happens to add a task, they
   * would keep that request's AsyncLocalStorage stores alive for as long as others wait.
   */
  private readonly outside = new AsyncResource('BackgroundTasksEngine');

  constructor(
    queues: Iterable<MemoryQueueSettings>,
    private readonly worker: Worker,
    private readonly clock: Clock,
  ) {
    const outside: Clock = {
      now: () => clock.now(),
      after: (delayMs, callback) =>
        this.outside.runInAsyncScope(() => clock.after(delayMs, callback)),
      soon: (callback) => this.outside.runInAsyncScope(() => clock.soon(callback)),
    };
    this.slice = new Slice(outside);
    this.timers = new Timers(outside, (task) => this.enqueue(task));
    this.queues = new Map(
      [...queues].map(({ name, concurrency }) => [
        name,
        new MemoryQueue(concurrency, this.slice, (task, queue) => void this.attempt(task, queue)),
      ]),
    );
  }

  admit(task: Task): void {
    if (this.isStopped) {
      throw new ShutDownError(task.name);
    }
  }

  commit(): void {
    // Nothing to store: what the process holds is all there is.
  }

  release(head: Task): void {
    for (let task: Task | undefined = head; task !== undefined; task = task.successor) {
      task.status = 'queued';
    }
    this.enter(head);
  }

  discard(): void {
    // No place was taken.
  }

  cancel(task: Task): boolean {
    if (task.outcome !== undefined) {
      return false;
    }
    if (task.interrupt !== undefined) {
      task.interrupt('cancelled');
    } else {
      task.place?.remove(task);
      this.settle(task, { kind: 'cancelled' });
    }
    return true;
  }

  start(): void {
    this.slice.open();
  }

  drain(deadline: number): Promise<void> {
    return new Promise((resolve) => {
      this.drains = [...this.drains, { deadline, resolve }];
      this.endDrains();
    });
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.slice.close();
    const waiting = [...this.timers.clear()];
    for (const queue of this.queues.values()) {
      waiting.push(...queue.clear());
      queue.interrupt();
    }
    waiting.forEach((task) => this.settle(task, { kind: 'abandoned' }));
    await this.drain(Number.POSITIVE_INFINITY);
  }

  /** The task's turn has come: it waits for its delay, or in its queue. */
  private enter(task: Task): void {
    const { delayMs } = task.settings;
    if (this.isStopped) {
      this.settle(task, { kind: 'abandoned' });
    } else if (delayMs > 0) {
      task.status = 'delayed';
      this.timers.add(task, this.clock.now() + delayMs);
    } else {
      this.enqueue(task);
    }
  }

  private enqueue(task: Task): void {
    const queue = this.queues.get(task.queue);
    if (queue === undefined) {
      throw new Error(`The memory engine has no queue "${task.queue}".`);
    }
    queue.add(task);
  }

  private async attempt(task: Task, queue: MemoryQueue): Promise<void> {
    const verdict = await this.worker.attempt(task);
    this.record(task, verdict);
    queue.free(task);
    this.endDrains();
  }

  private record(task: Task, verdict: Verdict): void {
    if (verdict.kind !== 'retry') {
      return this.settle(task, verdict);
    }
    if (this.isStopped) {
      return this.settle(task, { kind: 'abandoned' });
    }
    task.status = 'retrying';
    this.timers.add(task, this.clock.now() + verdict.delayMs);
    this.worker.announce(task, verdict);
  }

  /** Ends a task, and lets the line behind it go on or end too. */
  private settle(task: Task, verdict: Exclude<Verdict, { kind: 'retry' }>): void {
    const { successor, stopsOnFailure } = task;
    task.successor = undefined;
    this.worker.announce(task, verdict);
    if (verdict.kind !== 'completed' && stopsOnFailure) {
      this.dropLine(successor);
    } else {
      const next = firstUnsettled(successor);
      if (next !== undefined) {
        this.enter(next);
      }
    }
    this.endDrains();
  }

  private dropLine(head: Task | undefined): void {
    let task = head;
    while (task !== undefined) {
      const { successor } = task;
      task.successor = undefined;
      if (task.outcome === undefined) {
        this.worker.announce(task, { kind: 'dropped', reason: 'predecessor-failed' });
      }
      task = successor;
    }
  }

  private endDrains(): void {
    if (this.drains.length === 0) {
      return;
    }
    const isIdle = [...this.queues.values()].every((queue) => queue.isIdle);
    const isOver = ({ deadline }: Drain): boolean => isIdle && this.timers.earliest >= deadline;
    const over = this.drains.filter(isOver);
    this.drains = this.drains.filter((drain) => !isOver(drain));
    over.forEach(({ resolve }) => resolve());
  }
}

/** Those in a line that were cancelled while they waited are passed over. */
function firstUnsettled(head: Task | undefined): Task | undefined {
  let task = head;
  while (task !== undefined && task.outcome !== undefined) {
    task = task.successor;
  }
  return task;
}
