import { Collection, type CollectionKeeper } from '../collect/collection.js';
import type { TaskIntake } from '../collect/task-intake.js';
import type { Engine, Worker } from '../engine/engine.js';
import type { TaskEvents } from '../observe/task-events.js';
import type { RequestSettings } from '../options/module-options.js';
import type { Clock } from '../task/clock.js';
import type { DropReason } from '../task/outcome.js';
import type { Task } from '../task/task.js';
import { onceResponseClosed } from './response-closed.js';
import { wasAnswered } from './response-answered.js';

/** Sees a request's tasks from the handler's end to the engine: commit, wait, hand over or drop. */
export class Release implements CollectionKeeper {
  /** Closed in this turn of the event loop, released in the next. */
  private closing: Collection[] = [];

  constructor(
    private readonly intake: TaskIntake,
    private readonly engine: Engine,
    private readonly worker: Worker,
    private readonly events: TaskEvents,
    private readonly settings: RequestSettings,
    private readonly clock: Clock,
  ) {}

  /** Whether the collection is one of this application's. */
  owns(collection: Collection): boolean {
    return collection.intake === this.intake;
  }

  /** A collection for a request that begins; `response` where there is one to wait for. */
  open(response: object | undefined): Collection {
    return new Collection(this.intake, this, response);
  }

  /** With the first task, and not before: a request that adds none pays for no listener. */
  watch(collection: Collection): void {
    if (collection.response !== undefined) {
      onceResponseClosed(collection.response, () => this.closed(collection));
    }
  }

  /** The handler has begun: from now on its end decides, not the response's status. */
  begin(collection: Collection): void {
    collection.handler = 'running';
  }

  /** The handler completed. A durable engine has the tasks when this resolves. */
  commit(collection: Collection): Promise<void> | void {
    collection.handler = 'completed';
    const stored = collection.size > 0 ? this.engine.commit(runnableOf(collection)) : undefined;
    return stored === undefined
      ? this.handled(collection)
      : stored.then(() => this.handled(collection));
  }

  /** The handler threw. */
  fail(collection: Collection): void {
    collection.handler = 'failed';
    this.handled(collection);
  }

  /** Nobody waits for the handler's end any more: a client left its stream, or it was timed out. */
  leave(collection: Collection): void {
    collection.handler = collection.response === undefined ? 'completed' : 'none';
    this.handled(collection);
  }

  private handled(collection: Collection): void {
    if (collection.isClosed || collection.response === undefined) {
      this.release(collection);
    }
  }

  private closed(collection: Collection): void {
    collection.isClosed = true;
    // A client that left does not stop the handler: its end is still to come, and decides.
    if (collection.handler === 'running') {
      return;
    }
    // A whole turn of the loop lies between the last write and the first task, so that a body
    // which blocks does not hold up what the client has yet to read.
    if (this.closing.push(collection) === 1) {
      this.clock.soon(() => {
        const collections = this.closing;
        this.closing = [];
        collections.forEach((each) => this.release(each));
      });
    }
  }

  private release(collection: Collection): void {
    const hasSucceeded =
      collection.handler === 'completed' ||
      (collection.handler === 'none' && wasAnswered(collection.response));
    const runnable: Task[] = [];
    for (const task of collection.seal()) {
      if (task.outcome !== undefined) {
        continue; // cancelled while it was collected
      }
      const reason = reasonToDrop(task, hasSucceeded);
      if (reason === undefined) {
        runnable.push(task);
      } else {
        this.engine.discard(task);
        this.worker.announce(task, { kind: 'dropped', reason });
      }
    }
    for (const head of this.lines(runnable)) {
      this.engine.release(head);
    }
    for (const task of runnable) {
      this.events.emit('queued', task, {});
    }
  }

  /** The heads of the lines that the tasks wait in, each linked to its successors. */
  private lines(tasks: readonly Task[]): readonly Task[] {
    if (this.settings.order === 'concurrent') {
      return tasks;
    }
    const isStrict = this.settings.onFailure === 'stop';
    const heads: Task[] = [];
    let last: Task | undefined;
    for (const task of tasks) {
      // What is to start later does not hold up the tasks after it, unless they depend on it.
      if (task.settings.delayMs > 0 && !isStrict) {
        heads.push(task);
      } else {
        if (last === undefined) {
          heads.push(task);
        } else {
          last.successor = task;
          last.stopsOnFailure = isStrict;
        }
        last = task;
      }
    }
    return heads;
  }
}

/** What a durable engine has to store before a good response leaves. */
function runnableOf(collection: Collection): readonly Task[] {
  return collection
    .peek()
    .filter((task) => task.outcome === undefined && reasonToDrop(task, true) === undefined);
}

/** Why a task does not run, given how its handler ended; `undefined` where it does. */
function reasonToDrop({ settings }: Task, hasSucceeded: boolean): DropReason | undefined {
  switch (settings.when) {
    case 'success':
      return hasSucceeded ? undefined : 'handler-failed';
    case 'failure':
      return hasSucceeded ? 'handler-completed' : undefined;
    case 'always':
      return undefined;
  }
}
