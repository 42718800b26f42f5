import { Collection, type CollectionKeeper } from '../collect/collection.js';
import type { TaskIntake } from '../collect/task-intake.js';
import type { Engine, Restorer } from '../engine/engine.js';
import type { Observer } from '../observe/observer.js';
import type { RequestSettings } from '../options/module-options.js';
import type { Clock } from '../task/clock.js';
import type { DropReason } from '../task/outcome.js';
import type { StoredTask } from '../task/stored-call.js';
import type { Task } from '../task/task.js';
import { linesOf } from './lines.js';
import { wasAnswered } from './response-answered.js';
import { onceResponseClosed } from './response-closed.js';

/** Sees a request's tasks from the handler's end to the engine: commit, wait, hand over or drop. */
export class Release implements CollectionKeeper, Restorer {
  /** Closed in this turn of the event loop, released in the next. */
  private closing: Collection[] = [];

  constructor(
    private readonly intake: TaskIntake,
    private readonly engine: Engine,
    private readonly observer: Observer,
    private readonly settings: RequestSettings,
    private readonly clock: Clock,
  ) {}

  /** Whether the collection is one of this application's. */
  owns(collection: Collection): boolean {
    return collection.intake === this.intake;
  }

  /**
   * A collection for a request that begins.
   *
   * @param response what to wait for, where there is any
   * @param parent the collection that this one's tasks go to when its handler has ended
   */
  open(response: object | undefined, parent?: Collection): Collection {
    return new Collection(this.intake, this, response, parent);
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

  /**
   * The handler has ended: what it collected is decided. A durable engine has stored what is to run
   * when this resolves.
   */
  end(collection: Collection, hasSucceeded: boolean): Promise<void> | void {
    collection.handler = hasSucceeded ? 'completed' : 'failed';
    if (collection.size === 0) {
      return this.handled(collection);
    }
    const committed = collection.take().filter((task) => this.decide(task, hasSucceeded));
    committed.forEach((task) => collection.add(task));
    const stored = this.engine.commit(committed, collection.response !== undefined);
    if (stored === undefined) {
      return this.handled(collection);
    }
    return stored.then(
      () => this.handled(collection),
      (error: unknown) => {
        collection.take().forEach((task) => this.drop(task, 'not-stored'));
        this.handled(collection);
        throw error;
      },
    );
  }

  line(tasks: readonly Task[]): readonly Task[] {
    return linesOf(tasks, this.settings);
  }

  restore(group: readonly StoredTask[], isReturning = false): readonly Task[] {
    return group.flatMap((stored) => this.intake.restore(stored, isReturning) ?? []);
  }

  /** Nobody waits for the handler's end any more: a client left its stream, or it was timed out. */
  leave(collection: Collection): void {
    collection.handler = collection.response === undefined ? 'completed' : 'none';
    this.handled(collection);
  }

  private handled(collection: Collection): void {
    const { parent } = collection;
    if (parent?.isOpen) {
      collection.seal().forEach((task) => parent.add(task));
    } else if (collection.isClosed || collection.response === undefined) {
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
    const { handler, response } = collection;
    const hasSucceeded = handler === 'completed' || (handler === 'none' && wasAnswered(response));
    const early: Task[] = [];
    const late: Task[] = [];
    for (const task of collection.seal()) {
      (task.isCommitted ? early : late).push(task);
    }
    this.releaseAll([...early, ...late.filter((task) => this.decide(task, hasSucceeded))], late);
  }

  /** What was added after the handler's end is stored only now; a durable engine takes its time. */
  private releaseAll(tasks: readonly Task[], late: readonly Task[]): void {
    const stored = late.length === 0 ? undefined : this.engine.commit(late.filter(isCommitted));
    if (stored === undefined) {
      return this.handOver(tasks);
    }
    stored.then(
      () => this.handOver(tasks),
      () => {
        late.forEach((task) => this.drop(task, 'not-stored'));
        this.handOver(tasks.filter((task) => !late.includes(task)));
      },
    );
  }

  private handOver(tasks: readonly Task[]): void {
    const unsettled = tasks.filter((task) => !task.isOver);
    for (const head of linesOf(unsettled, this.settings)) {
      this.engine.release(head);
    }
    unsettled.forEach((task) => this.observer.queued(task));
  }

  private drop(task: Task, reason: DropReason): void {
    if (!task.isOver) {
      this.engine.discard(task);
      this.observer.dropped(task, reason);
    }
  }

  /** @returns whether the task is to run; else it is dropped, or was cancelled meanwhile */
  private decide(task: Task, hasSucceeded: boolean): boolean {
    if (task.isCommitted || task.isOver) {
      return !task.isOver;
    }
    const reason = reasonToDrop(task, hasSucceeded);
    task.isCommitted = reason === undefined;
    if (reason !== undefined) {
      this.drop(task, reason);
    }
    return reason === undefined;
  }
}

function isCommitted(task: Task): boolean {
  return task.isCommitted && !task.isOver;
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
