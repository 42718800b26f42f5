import type { AsyncResource } from 'node:async_hooks';
import { captureContext, inContext, inCopyOfContext } from './async-context.js';
import type { MethodIntake } from './ambient.js';
import { callCopy } from './copied-body.js';
import type { LogLines } from './log-lines.js';
import type { Linked } from './linked-list.js';
import type { Outcome, TaskStatus } from './outcome.js';
import type { ProcessReading } from './process-usage.js';
import type { StoredCall, StoredTask, Waits } from './stored-call.js';
import { TaskExtras } from './task-extras.js';
import type { TaskDefinition } from './task-registry.js';
import type { TaskSettings } from './task-options.js';

/** Why an attempt is stopped from outside. */
export type Interruption = 'timeout' | 'cancelled' | 'abandoned';

/** The application that a task belongs to. */
export interface TaskHome extends MethodIntake {
  /** The async context in which the application started; stored tasks run in it. */
  readonly context: AsyncResource;
  /** Called at most once per task: see {@link Task.id}. */
  mintId(task: Task): string;
  /** @returns whether there was anything left to cancel */
  cancel(task: Task): boolean | Promise<boolean>;
  /** A caller asks for the outcome of the task, and may wait for it. */
  asked(task: Task): void;
}

/** An engine whose tasks other processes look at: it is told what happens to a task here. */
export interface TaskListener {
  /** A caller waits for the task to settle. The task may run in another process. */
  awaited(task: Task): void;
  /** The body has reported `task.progress`. */
  progressed(task: Task): void;
  /** @param line starts with its time */
  logged(task: Task, line: string): void;
}

/** An attempt that can be stopped from outside. */
export interface Interruptible {
  /** The process when the attempt started; `undefined` unless somebody observes tasks. */
  readonly reading: ProcessReading | undefined;
  interrupt(reason: Interruption): void;
}

/** Tasks of which each runs only if the one before it has completed. */
export interface Chain {
  /** Set only if a store has to find the chain again. */
  id?: string;
  last?: Task;
  /** Tasks that are about to be stored together. */
  gathered?: Task[] | undefined;
  /** The chain holds all tasks of a request (`onFailure: 'stop'`). */
  readonly isWholeRequest?: true;
}

/** Keys computed from a task's arguments, where its settings ask for them. */
export interface TaskKeys {
  readonly dedupe: string | undefined;
  readonly concurrency: string | undefined;
}

/** Shared by all calls without arguments. */
export const NO_ARGS: readonly unknown[] = Object.freeze([]);

/** Where a task waits. */
export interface Place {
  remove(task: Task): void;
}

/**
 * One call that will be made later. Everything but its identity changes as it travels: collected,
 * queued, attempted, settled. Only the engine and the worker write to it.
 */
export class Task implements Linked<Task> {
  status: TaskStatus = 'collected';
  /** How many attempts have started. */
  attempts = 0;
  /** The attempt that is under way or just over; `undefined` while it waits. */
  attempt: Interruptible | undefined = undefined;
  /** When the latest attempt started: milliseconds since the epoch. */
  startedAt: number | undefined = undefined;
  /** Set once, when the task settles. */
  outcome: Outcome | undefined = undefined;
  /** The task will run: what happens to its request from here on does not matter. */
  isCommitted = false;
  /** The engine considers the task settled; `outcome` is set once that is recorded. */
  isOver = false;
  /** Somebody can ask how the task ends. A `@Background()` call gives out no handle. */
  hasHandle = false;
  /** The task completed, or was dropped as a duplicate of another task that does its work. */
  hasCompleted = false;
  /** The lane or timer that holds a waiting task. Owned by the engine. */
  place: Place | undefined = undefined;
  /** Neighbours in that place, or among the running tasks of a queue. */
  before: Task | undefined = undefined;
  behind: Task | undefined = undefined;
  private mintedId: string | undefined = undefined;
  /**
   * The async context in which the task was added: request id, tenant, trace. Released when the
   * task is stored or settles, so that a remembered task does not keep a request alive.
   */
  private context: AsyncResource | undefined = captureContext();
  /** Fields that few tasks need, kept apart so that a million waiting tasks stay small. */
  private extras: TaskExtras | undefined = undefined;

  constructor(
    readonly home: TaskHome,
    readonly name: string,
    readonly settings: TaskSettings,
    private fn: (...args: never[]) => unknown,
    /** `this` of the call; `undefined` if `definition` resolves it. */
    private target: object | undefined,
    public args: readonly unknown[],
    /** The `@Background()` method that is called, if any. */
    public definition: TaskDefinition | undefined,
    /** Milliseconds since the epoch. */
    readonly addedAt: number,
    readonly keys: TaskKeys | undefined,
  ) {}

  /** Minted on first access: most tasks of a burst are never asked for theirs. */
  get id(): string {
    return (this.mintedId ??= this.home.mintId(this));
  }

  /** The id, if it has been minted. */
  get knownId(): string | undefined {
    return this.mintedId;
  }

  get queue(): string {
    return this.settings.queue;
  }

  get progress(): unknown {
    return this.extras?.progress;
  }

  set progress(value: unknown) {
    this.own.progress = value;
  }

  /** What the body passed on or returned. All tasks of a batch share the leader's. */
  get result(): unknown {
    return (this.leader ?? this).extras?.result;
  }

  set result(value: unknown) {
    if (value !== this.extras?.result) {
      this.own.result = value;
    }
  }

  get logs(): LogLines | undefined {
    return this.extras?.logs;
  }

  set logs(lines: LogLines | undefined) {
    this.own.logs = lines;
  }

  /** The task that may start when this one has settled. */
  get successor(): Task | undefined {
    return this.extras?.successor;
  }

  set successor(task: Task | undefined) {
    if (task !== this.successor) {
      this.own.successor = task;
    }
  }

  /** The task in front of this one in its line, which has to settle first. */
  get prior(): Task | undefined {
    return this.extras?.prior;
  }

  set prior(task: Task | undefined) {
    if (task !== this.prior) {
      this.own.prior = task;
    }
  }

  /** The task before this one in its chain. */
  get needs(): Task | undefined {
    return this.extras?.needs;
  }

  set needs(task: Task | undefined) {
    if (task !== this.needs) {
      this.own.needs = task;
    }
  }

  /** The chain of this task, which is dropped if an earlier task of the chain does not complete. */
  get chain(): Chain | undefined {
    return this.extras?.chain;
  }

  set chain(chain: Chain | undefined) {
    if (chain !== this.chain) {
      this.own.chain = chain;
    }
  }

  /** Tasks whose items run in this task's body: see `BatchOptions`. */
  get followers(): Task[] | undefined {
    return this.extras?.followers;
  }

  set followers(tasks: Task[] | undefined) {
    if (tasks !== this.followers) {
      this.own.followers = tasks;
    }
  }

  /** The task whose body runs this task's items. */
  get leader(): Task | undefined {
    return this.extras?.leader;
  }

  set leader(task: Task | undefined) {
    if (task !== this.leader) {
      this.own.leader = task;
    }
  }

  /** The call in the form in which it is stored, if it is. */
  get stored(): StoredCall | undefined {
    return this.extras?.stored;
  }

  set stored(call: StoredCall | undefined) {
    if (call !== this.stored) {
      this.own.stored = call;
      this.context = undefined;
    }
  }

  /** Settles once the store has accepted or refused the task; `undefined` before and afterwards. */
  get storing(): Promise<void> | undefined {
    return this.extras?.storing;
  }

  set storing(storing: Promise<void> | undefined) {
    if (storing !== this.storing) {
      this.own.storing = storing;
    }
  }

  get listener(): TaskListener | undefined {
    return this.extras?.listener;
  }

  set listener(listener: TaskListener | undefined) {
    if (listener !== this.listener) {
      this.own.listener = listener;
    }
  }

  /** How many attempts asked to be retried later, if any did. */
  get waits(): Waits | undefined {
    return this.extras?.waits;
  }

  set waits(waits: Waits | undefined) {
    if (waits !== this.waits) {
      this.own.waits = waits;
    }
  }

  /** The attempts that the policy allows, plus those that use none of them up. */
  get maxAttempts(): number {
    return this.settings.retry.attempts + (this.waits?.free ?? 0);
  }

  /** Another process, or an earlier one, added the task: its async context is gone. */
  get isFromStore(): boolean {
    return this.extras?.isFromStore ?? false;
  }

  set isFromStore(is: boolean) {
    this.own.isFromStore = is;
  }

  /** The task has failed, and its store keeps it beyond the life of this process. */
  get isKept(): boolean {
    return this.extras?.isKept ?? false;
  }

  set isKept(is: boolean) {
    this.own.isKept = is;
  }

  /** The tasks behind a failed one in its chain. They come back with it if it is retried. */
  get rest(): readonly Task[] {
    return this.extras?.rest ?? [];
  }

  /** Keeps the calls of the dropped tasks behind this failed one, so that a retry can make them. */
  keepRest(rest: readonly Task[]): void {
    this.own.rest = [...rest];
    rest.forEach((task) => {
      task.own.isRest = true;
    });
  }

  /** The task's body closed the application: a shutdown that ends the task is its own doing. */
  get isClosingTheApplication(): boolean {
    return this.extras?.isClosingTheApplication ?? false;
  }

  set isClosingTheApplication(is: boolean) {
    this.own.isClosingTheApplication = is;
  }

  private get own(): TaskExtras {
    return (this.extras ??= new TaskExtras());
  }

  /**
   * Calls `callback(argument)` in the async context in which the task was added. A stored task gets
   * the application's context, so that it runs here as it would after a crash. Each call gets a
   * copy: what an attempt enters for good (`enterWith()`) must not reach the next attempt or
   * another task.
   */
  inContext<A, T>(callback: (argument: A) => T, argument: A): T {
    const context = this.stored === undefined ? this.context : this.home.context;
    return context === undefined
      ? inCopyOfContext(callback, argument)
      : inContext(context, callback, argument);
  }

  /** Runs the user's code, which may throw, return, or return a promise. */
  call(): unknown {
    const { definition, target } = this;
    return definition !== undefined && target === undefined
      ? definition.resolveTarget().then((provider) => this.callOn(provider))
      : this.callOn(target);
  }

  private callOn(target: unknown): unknown {
    const { definition } = this;
    const fn = this.fn as (...args: unknown[]) => unknown;
    const args = (this.followers === undefined ? this.args : [this.joinedItems()]) as unknown[];
    return definition === undefined || definition.method === fn
      ? fn.apply(target, args)
      : callCopy(definition.method, () => fn.apply(target, args));
  }

  /** The function to call, until the task settles; of a `@Background()` method the undecorated one. */
  get callee(): (...args: never[]) => unknown {
    return this.fn;
  }

  /** The same call as a new task with the same id. */
  again(now: number): Task {
    const { home, name, settings, fn, target, args, definition, keys } = this;
    const task = new Task(home, name, settings, fn, target, args, definition, now, keys);
    task.mintedId = this.id;
    task.stored = this.stored;
    return task;
  }

  /** Replaces this task's call with that of `other`, which does not run. */
  takeCall(other: Task): void {
    this.fn = other.fn;
    this.target = other.target;
    this.args = other.args;
    this.definition = other.definition;
    this.context = other.context;
  }

  /** Restores the id and the attempts of a task that comes back from a store. */
  comeBack({ id, attempts, waits, call }: StoredTask): void {
    this.mintedId = id;
    this.attempts = attempts;
    this.waits = waits;
    this.stored = call;
    this.isCommitted = true;
    this.isFromStore = true;
  }

  /**
   * Releases the call: a remembered task must not keep its arguments alive. A failed task keeps its
   * call, because it can be retried.
   */
  private forget(): void {
    this.fn = forgotten;
    this.target = undefined;
    this.args = NO_ARGS;
    this.followers = undefined;
    this.leader = undefined;
  }

  /** Otherwise each task of an endless chain would keep the one before it alive. */
  private standAlone(): void {
    this.prior = undefined;
    this.needs = undefined;
  }

  private joinedItems(): unknown[] {
    return [this, ...(this.followers ?? [])].flatMap(({ args }) => args[0] as unknown[]);
  }

  /** Releases the call, which is made from the store from now on. */
  letGo(): void {
    this.context = undefined;
    this.forget();
    this.standAlone();
  }

  /** Records the outcome first, then resolves those who wait for it. */
  settle(outcome: Outcome): void {
    this.isOver = true;
    this.outcome = outcome;
    this.status = outcome.status;
    this.context = undefined;
    this.attempt = undefined;
    this.standAlone();
    if (outcome.status !== 'failed' && this.extras?.isRest !== true) {
      this.forget();
    }
    this.extras?.told(outcome);
  }

  /** Resolves when the task has settled. Never rejects. */
  whenSettled(): Promise<Outcome> {
    const { outcome } = this;
    if (outcome !== undefined) {
      return Promise.resolve(outcome);
    }
    this.listener?.awaited(this);
    return new Promise((resolve) => void (this.own.waiters ??= []).push(resolve));
  }
}

function forgotten(): never {
  throw new Error('The task has settled and its call was let go.');
}
