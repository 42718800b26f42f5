import { inspect } from 'node:util';
import type { Outcome, Priority, TaskStatus } from '../index.js';
import type { Task } from '../task/task.js';

/** A task that was added while the test ran. */
export class AddedTask {
  /** The name of the task. */
  readonly name: string;
  /** The queue of the task. */
  readonly queue: string;
  /** The arguments of the call; those of a durable queue after their round trip through JSON. */
  readonly args: readonly unknown[];
  /** Its priority within the queue. */
  readonly priority: Priority;
  /** Its `delay`, in milliseconds. */
  readonly delayMs: number;
  /** @internal */
  readonly callee: unknown;

  /** @internal */
  constructor(private readonly task: Task) {
    const { name, queue, args, settings, callee } = task;
    this.name = name;
    this.queue = queue;
    this.args = args;
    this.priority = settings.priority;
    this.delayMs = settings.delayMs;
    this.callee = callee;
  }

  /** As `TaskHandle.id`. */
  get id(): string {
    return this.task.id;
  }

  /** The current status of the task. */
  get status(): TaskStatus {
    return this.task.status;
  }

  /** How many attempts have started. */
  get attempts(): number {
    return this.task.attempts;
  }

  /** How the task ended; `undefined` until it has settled. */
  get outcome(): Outcome | undefined {
    return this.task.outcome;
  }

  /** @internal Only what a log should show. */
  [inspect.custom](): object {
    const { id, name, queue, args, status, attempts, outcome } = this;
    return { id, name, queue, args, status, attempts, outcome };
  }
}
