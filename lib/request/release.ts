import { Collection, type CollectionKeeper } from '../intake/collection.js';
import type { TaskIntake } from '../intake/task-intake.js';
import type { Engine, Restorer } from '../engine/engine.js';
import type { Observer } from '../observe/observer.js';
import type { RequestSettings } from '../options/module-options.js';
import type { Clock } from '../task/clock.js';
import { headsOf, linesOf, type LineRules } from '../task/line.js';
import { breaksChain, type DropReason } from '../task/outcome.js';
import type { StoredTask } from '../task/stored-call.js';
import { LinkedList } from '../task/linked-list.js';
import type { Chain, Task } from '../task/task.js';
import { wasAnswered } from './nest/response-answered.js';
import { isResponseClosed, onceResponseClosed } from './nest/response-closed.js';
import { askToRetryLater } from './nest/retry-later.js';

/** Sees a request's tasks from the handler's end to the engine: commit, wait, hand over or drop. */
export class Release implements CollectionKeeper, Restorer {
  /** Those whose response has closed in this turn of the event loop. */
  private closed: Collection[] = [];
  /** How many such turns' collections are about to be released. */
  private batches = 0;
  /** Those with tasks that have not been released yet. */
  private readonly collecting = new LinkedList<Collection>();
  private readonly rules: LineRules;

  constructor(
    private readonly intake: TaskIntake,
    private readonly engine: Engine,
    private readonly observer: Observer,
    settings: RequestSettings,
    private readonly clock: Clock,
  ) {
    this.rules = { ...settings, engineOf: (queue) => engine.supportOf(queue) };
  }

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
    this.collecting.add(collection);
    if (collection.response !== undefined) {
      onceResponseClosed(collection.response, () => this.close(collection));
    }
  }

  refused({ response }: Collection, error: unknown): void {
    askToRetryLater(error, response);
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
    const tasks = collection.take();
    this.decideAll(tasks, hasSucceeded);
    const committed = tasks.filter(isToRun);
    collection.putBack(tasks.filter(hasPlaceInLine));
    const stored = this.engine.commit(this.line(committed), collection.response !== undefined);
    if (stored === undefined) {
      return this.handled(collection);
    }
    return stored.then(
      () => this.handled(collection),
      (error: unknown) => {
        collection.handler = 'failed';
        this.dropAll(collection.take());
        this.handled(collection);
        throw error;
      },
    );
  }

  line(tasks: readonly Task[]): readonly Task[] {
    return linesOf(tasks, this.rules);
  }

  restore(group: readonly StoredTask[], isReturning = false): readonly Task[] {
    return group.flatMap((stored) => this.intake.restore(stored, isReturning) ?? []);
  }

  /** Nest never begins with a stream of events whose client left before the stream was there. */
  offer(collection: Collection): () => void {
    let isTaken = false;
    this.clock.soon(() => {
      if (!isTaken && collection.handler === 'running') {
        this.leave(collection);
      }
    });
    return () => {
      isTaken = true;
      this.begin(collection);
    };
  }

  /** Nobody waits for the handler's end any more: a client left its stream, or it was timed out. */
  leave(collection: Collection): void {
    collection.handler = collection.response === undefined ? 'completed' : 'none';
    this.handled(collection);
  }

  /** What has been added and not released. */
  *collected(): Generator<Task> {
    for (const { collected } of this.collecting) {
      yield* collected.filter(({ outcome }) => outcome === undefined);
    }
  }

  /** Resolves when the tasks of the responses that have closed are released. */
  whenClosedReleased(): Promise<void> | void {
    if (this.closed.length > 0 || this.batches > 0) {
      return new Promise((resolve) => this.clock.soon(() => this.clock.soon(resolve)));
    }
  }

  /** The engine has stopped: what requests under way have collected is lost, and is to be told. */
  abandon(): void {
    for (const collection of this.collecting) {
      this.seal(collection)
        .filter(({ isOver }) => !isOver)
        .forEach((task) => this.engine.release(task));
    }
  }

  private handled(collection: Collection): void {
    const { parent } = collection;
    if (parent?.isOpen) {
      this.seal(collection).forEach((task) => parent.add(task));
    } else if (collection.isClosed || collection.response === undefined) {
      this.release(collection);
    }
  }

  private close(collection: Collection): void {
    collection.isClosed = true;
    // A client that left does not stop the handler: its end is still to come, and decides.
    if (collection.handler === 'running') {
      return;
    }
    // A whole turn of the loop lies between the last write and the first task, so that a body
    // which blocks does not hold up what the client has yet to read.
    if (this.closed.push(collection) === 1) {
      this.clock.soon(() => {
        const collections = this.closed;
        this.closed = [];
        this.batches += 1;
        this.clock.soon(() => {
          this.batches -= 1;
          collections.forEach((each) => this.release(each));
        });
      });
    }
  }

  /** Asked before the first task: nobody has been waiting for the response until now. */
  isOver({ handler, response }: Collection): boolean {
    return handler !== 'running' && response !== undefined && isResponseClosed(response);
  }

  private release(collection: Collection): void {
    const { handler, response } = collection;
    const hasSucceeded = handler === 'completed' || (handler === 'none' && wasAnswered(response));
    const tasks = this.seal(collection);
    const late = tasks.filter(({ isCommitted }) => !isCommitted);
    if (late.length === 0) {
      return this.handOver(tasks);
    }
    this.decideAll(tasks, hasSucceeded);
    this.line(tasks.filter(({ isCommitted }) => isCommitted));
    const stored = this.engine.commit(headsOf(late.filter(isToRun)));
    if (stored === undefined) {
      this.handOver(tasks);
    } else {
      void this.handOverOnceStored(tasks, late, stored);
    }
  }

  /** What was added after the handler's end is stored only now; a durable engine takes its time. */
  private async handOverOnceStored(
    tasks: readonly Task[],
    late: readonly Task[],
    stored: Promise<void>,
  ): Promise<void> {
    await stored.catch(() => this.dropAll(late));
    this.handOver(tasks);
  }

  private handOver(tasks: readonly Task[]): void {
    const released = tasks.filter(isToRun);
    for (const head of this.line(tasks.filter(({ isCommitted }) => isCommitted))) {
      void this.engine.release(head);
    }
    released.forEach((task) => this.observer.queued(task));
  }

  /** The last first: an engine that discards a task goes on with what stands behind it. */
  private dropAll(unstored: readonly Task[]): void {
    unstored.toReversed().forEach((task) => this.drop(task, 'not-stored'));
  }

  private drop(task: Task, reason: DropReason): void {
    if (!task.isOver) {
      this.engine.discard(task);
      this.observer.dropped(task, reason);
    }
  }

  private seal(collection: Collection): readonly Task[] {
    this.collecting.delete(collection);
    return collection.seal();
  }

  /**
   * What follows a gap in its chain is dropped here and not when its turn comes: a store is only told
   * of tasks that are to run, and would close the gap.
   */
  private decideAll(tasks: readonly Task[], hasSucceeded: boolean): void {
    let broken: Set<Chain> | undefined;
    for (const task of tasks) {
      const { chain } = task;
      if (!task.isCommitted && !task.isOver) {
        this.decide(
          task,
          chain && broken?.has(chain) ? 'predecessor-failed' : reasonToDrop(task, hasSucceeded),
        );
      }
      if (chain !== undefined && isGap(task)) {
        (broken ??= new Set()).add(chain);
      }
    }
  }

  private decide(task: Task, reason: DropReason | undefined): void {
    task.isCommitted = reason === undefined;
    if (reason !== undefined) {
      this.drop(task, reason);
    }
  }
}

function isToRun({ isCommitted, isOver }: Task): boolean {
  return isCommitted && !isOver;
}

/** What was cancelled or dropped out of a chain shows those behind it what they must do without. */
function hasPlaceInLine({ isOver, chain }: Task): boolean {
  return !isOver || chain !== undefined;
}

/** Its outcome may yet have to be recorded: then it is not a duplicate's. */
function isGap({ isOver, outcome }: Task): boolean {
  return isOver && (outcome === undefined || breaksChain(outcome));
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
