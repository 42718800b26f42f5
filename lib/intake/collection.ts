import type { MethodIntake, OpenRequest } from '../task/ambient.js';
import type { Linked } from '../task/linked-list.js';
import type { Task } from '../task/task.js';

/** Who opened a collection, and sees to it once there is something in it. */
export interface CollectionKeeper {
  /** Called with the first task: from here on somebody must wait for the response to close. */
  watch(collection: Collection): void;
  /** Whether its handler has ended and its response has closed, with nobody there to notice. */
  isOver(collection: Collection): boolean;
  /** Its handler has begun: from now on the handler's end decides, not the response's status. */
  begin(collection: Collection): void;
  /** Its handler has ended; what is to run is stored when this resolves. */
  end(collection: Collection, hasSucceeded: boolean): Promise<void> | void;
  /**
   * Its handler has returned a stream, whose end is the handler's: once somebody begins to read it.
   *
   * @returns what whoever does is to call
   */
  offer(collection: Collection): () => void;
  /** Nobody waits for its handler's end any more: a client left its stream, or it was timed out. */
  leave(collection: Collection): void;
  /** A call of its request has failed with `error`, and the request may fail with it. */
  refused(collection: Collection, error: unknown): void;
}

/** How the handler of the request has fared so far. `none`: it has not begun, or has not been let. */
export type HandlerState = 'none' | 'running' | 'completed' | 'failed';

/** The tasks of one request, in the order added. One is opened a request; most stay empty. */
export class Collection implements OpenRequest, Linked<Collection> {
  readonly kind = 'request';
  handler: HandlerState = 'none';
  /** The response is over: everything the client will ever get of it, it has. */
  isClosed = false;
  before: Collection | undefined = undefined;
  behind: Collection | undefined = undefined;
  private isSealed = false;
  private tasks: Task[] | undefined = undefined;
  /** The latest added for each `dedupe` key. */
  private byKey: Map<string, Task> | undefined = undefined;

  constructor(
    readonly intake: MethodIntake,
    readonly keeper: CollectionKeeper,
    /** The response to wait for; `undefined` where there is none (RPC, WebSocket). */
    public response: object | undefined,
    /** Where the tasks go when this handler has ended: several answer one GraphQL request. */
    readonly parent: Collection | undefined,
  ) {}

  /**
   * Tasks can be added. False once they are released, or the response has closed and nothing is left
   * to wait for: a later one is on its own.
   */
  get isOpen(): boolean {
    const isReleasing = this.isClosed && this.handler !== 'running';
    const isUnnoticed = this.tasks === undefined && this.keeper.isOver(this);
    return !this.isSealed && !isReleasing && !isUnnoticed;
  }

  /** Where a task goes that is added here: a resolver may be over, and its request not yet. */
  get nearestOpen(): Collection | undefined {
    return this.isOpen ? this : this.parent?.nearestOpen;
  }

  /** It is `other`, or what `other` is around. */
  isWithin(other: Collection): boolean {
    return this === other || (this.parent?.isWithin(other) ?? false);
  }

  get size(): number {
    return this.tasks?.length ?? 0;
  }

  /** What it holds so far. */
  get collected(): readonly Task[] {
    return this.tasks ?? [];
  }

  add(task: Task): void {
    if (task.keys?.dedupe !== undefined) {
      (this.byKey ??= new Map()).set(task.keys.dedupe, task);
    }
    if (this.tasks === undefined) {
      this.tasks = [task];
      this.keeper.watch(this);
    } else {
      this.tasks.push(task);
    }
  }

  refused(error: unknown): void {
    this.keeper.refused(this, error);
    this.parent?.refused(error);
  }

  /** The task that stands for `dedupeKey` within the request. */
  duplicateOf(dedupeKey: string): Task | undefined {
    const task = this.byKey?.get(dedupeKey);
    return task?.isOver === false ? task : this.parent?.duplicateOf(dedupeKey);
  }

  /** Takes out what has been collected so far; more may come. */
  take(): readonly Task[] {
    const { tasks = [] } = this;
    if (tasks.length > 0) {
      this.tasks = [];
    }
    return tasks;
  }

  /** What was taken and is to stay, before what has come since. */
  putBack(tasks: Task[]): void {
    this.tasks = this.tasks?.length ? [...tasks, ...this.tasks] : tasks;
  }

  /** Takes out the rest for good; the request itself is let go. */
  seal(): readonly Task[] {
    const tasks = this.take();
    this.isSealed = true;
    this.byKey = undefined;
    this.response = undefined;
    return tasks;
  }
}
