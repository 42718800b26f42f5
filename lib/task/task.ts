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
  /** The async context that the application started in: that of its tasks which are in a store. */
  readonly context: AsyncResource;
  /** Called at most once for each task: see {@link Task.id}. */
  mintId(task: Task): string;
  /** @returns whether there was anything left to cancel */
  cancel(task: Task): boolean | Promise<boolean>;
  /** A user asks for the task's end, and may wait for it. */
  asked(task: Task): void;
}

/** An engine that has to know what happens to a task here: others look at it from elsewhere. */
export interface TaskListener {
  /** Somebody waits for the task to settle, which may happen in another process. */
  awaited(task: Task): void;
  /** The body has reported `task.progress`. */
  progressed(task: Task): void;
  /** The body has written this line, its time included. */
  logged(task: Task, line: string): void;
}

/** An attempt that can be stopped from outside. */
export interface Interruptible {
  /** How the process stood then, where somebody wants to know. */
  readonly reading: ProcessReading | undefined;
  interrupt(reason: Interruption): void;
}

/** Tasks of which each needs the ones before it. */
export interface Chain {
  /** Set where the chain has to be found again in a store. */
  id?: string;
  /** The latest task of it. */
  last?: Task;
  /** Those that are about to be stored. */
  gathered?: Task[] | undefined;
  /** That it was made of all the tasks of a request. */
  readonly isWholeRequest?: true;
}

/** What a task's own arguments say about it, where its settings ask for it. */
export interface TaskKeys {
  readonly dedupe: string | undefined;
  readonly concurrency: string | undefined;
}

/** Shared by all the calls without arguments. */
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
  /** Its handler has completed or failed, and it is to run: what happens later does not matter. */
  isCommitted = false;
  /** It has settled as far as its engine is concerned; `outcome` follows once that is recorded. */
  isOver = false;
  /** That it has settled by completing, or as a duplicate of one that does its work. */
  hasCompleted = false;
  /** Where it waits, if it does: a lane, or for its time. Owned by the engine. */
  place: Place | undefined = undefined;
  /** Its neighbours among those that wait there, or that run in one queue. */
  before: Task | undefined = undefined;
  behind: Task | undefined = undefined;
  private mintedId: string | undefined = undefined;
  /**
   * The async context of the place where the task was added: request id, tenant, trace. Let go when
   * the task settles, so that a remembered task does not keep a request alive, and when it is stored.
   */
  private context: AsyncResource | undefined = captureContext();
  /** What few tasks have: a million that wait are no bigger for it. */
  private extras: TaskExtras | undefined = undefined;

  constructor(
    readonly home: TaskHome,
    readonly name: string,
    readonly settings: TaskSettings,
    private fn: (...args: never[]) => unknown,
    /** `this` of the call; `undefined` where `definition` resolves it. */
    private target: object | undefined,
    public args: readonly unknown[],
    /** The `@Background()` method it is a call of, if it is one. */
    public definition: TaskDefinition | undefined,
    /** Milliseconds since the epoch. */
    readonly addedAt: number,
    readonly keys: TaskKeys | undefined,
  ) {}

  /** Made when first asked for: most tasks of a burst are never asked. */
  get id(): string {
    return (this.mintedId ??= this.home.mintId(this));
  }

  /** The id, if anybody has asked for it. */
  get knownId(): string | undefined {
    return this.mintedId;
  }

  get queue(): string {
    return this.settings.queue;
  }

  /** What its body last reported. */
  get progress(): unknown {
    return this.extras?.progress;
  }

  set progress(value: unknown) {
    this.own.progress = value;
  }

  /** What its body has handed over, or returned. Of a batch all have that of the one that ran. */
  get result(): unknown {
    return (this.leader ?? this).extras?.result;
  }

  set result(value: unknown) {
    if (value !== this.extras?.result) {
      this.own.result = value;
    }
  }

  /** What its body wrote, if it did. */
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

  /** The task that has to settle before this one may start, as long as it stands in a line. */
  get prior(): Task | undefined {
    return this.extras?.prior;
  }

  set prior(task: Task | undefined) {
    if (task !== this.prior) {
      this.own.prior = task;
    }
  }

  /** The task before it in its chain. */
  get needs(): Task | undefined {
    return this.extras?.needs;
  }

  set needs(task: Task | undefined) {
    if (task !== this.needs) {
      this.own.needs = task;
    }
  }

  /** The chain it is part of: it does not run once another task of it has not completed. */
  get chain(): Chain | undefined {
    return this.extras?.chain;
  }

  set chain(chain: Chain | undefined) {
    if (chain !== this.chain) {
      this.own.chain = chain;
    }
  }

  /** The calls that run with this one, in one body: see `BatchOptions`. */
  get followers(): Task[] | undefined {
    return this.extras?.followers;
  }

  set followers(tasks: Task[] | undefined) {
    if (tasks !== this.followers) {
      this.own.followers = tasks;
    }
  }

  /** The one that it follows. */
  get leader(): Task | undefined {
    return this.extras?.leader;
  }

  set leader(task: Task | undefined) {
    if (task !== this.leader) {
      this.own.leader = task;
    }
  }

  /** How the call is written down, where it is. */
  get stored(): StoredCall | undefined {
    return this.extras?.stored;
  }

  set stored(call: StoredCall | undefined) {
    if (call !== this.stored) {
      this.own.stored = call;
      this.context = undefined;
    }
  }

  /** Settled once its store has taken it, or has refused it; `undefined` before and after. */
  get storing(): Promise<void> | undefined {
    return this.extras?.storing;
  }

  set storing(storing: Promise<void> | undefined) {
    if (storing !== this.storing) {
      this.own.storing = storing;
    }
  }

  /** Whoever is told what happens to it here. */
  get listener(): TaskListener | undefined {
    return this.extras?.listener;
  }

  set listener(listener: TaskListener | undefined) {
    if (listener !== this.listener) {
      this.own.listener = listener;
    }
  }

  /** How many of its attempts asked to wait, if any did. */
  get waits(): Waits | undefined {
    return this.extras?.waits;
  }

  set waits(waits: Waits | undefined) {
    if (waits !== this.waits) {
      this.own.waits = waits;
    }
  }

  /** How many attempts its policy allows: those that use up none are made besides. */
  get maxAttempts(): number {
    return this.settings.retry.attempts + (this.waits?.free ?? 0);
  }

  /** It was added by another process, or an earlier one: its async context is gone. */
  get isFromStore(): boolean {
    return this.extras?.isFromStore ?? false;
  }

  set isFromStore(is: boolean) {
    this.own.isFromStore = is;
  }

  /** It has failed, and its store keeps it, also after this process. */
  get isKept(): boolean {
    return this.extras?.isKept ?? false;
  }

  set isKept(is: boolean) {
    this.own.isKept = is;
  }

  /** Of a failed task: those behind it in its chain, which come back with it if it is run again. */
  get rest(): readonly Task[] {
    return this.extras?.rest ?? [];
  }

  /** It will not run, and neither will those: their calls are kept. */
  keepRest(rest: readonly Task[]): void {
    this.own.rest = [...rest];
    rest.forEach((task) => {
      task.own.isRest = true;
    });
  }

  /** It has closed the application while it ran: a shutdown that ends it is its own doing. */
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
   * Calls `callback(argument)` in the async context of the place where the task was added; of a task
   * in a store, in that of the application, here as after a crash. In a copy: what one attempt enters
   * for good is neither for the next one nor for other tasks.
   */
  inContext<A, T>(callback: (argument: A) => T, argument: A): T {
    const context = this.stored === undefined ? this.context : this.home.context;
    return context === undefined
      ? inCopyOfContext(callback, argument)
      : inContext(context, callback, argument);
  }

  /** Makes the call. May throw, return, or return a promise: all of it is the user's. */
  call(): unknown {
    const fn = this.fn as (...args: unknown[]) => unknown;
    const args = (this.followers === undefined ? this.args : [this.joinedItems()]) as unknown[];
    const { definition } = this;
    const callOn = (target: unknown): unknown =>
      definition === undefined || definition.method === fn
        ? fn.apply(target, args)
        : callCopy(definition.method, () => fn.apply(target, args));
    return definition !== undefined && this.target === undefined
      ? definition.resolveTarget().then(callOn)
      : callOn(this.target);
  }

  /** What it calls, as long as it has not settled: of a `@Background()` method, the method as written. */
  get callee(): (...args: never[]) => unknown {
    return this.fn;
  }

  /** The same call once more, as a task of its own with the same id. */
  again(now: number): Task {
    const { home, name, settings, fn, target, args, definition, keys } = this;
    const task = new Task(home, name, settings, fn, target, args, definition, now, keys);
    task.mintedId = this.id;
    task.stored = this.stored;
    return task;
  }

  /** Makes the call of `other`, which does not run, in place of its own. */
  takeCall(other: Task): void {
    this.fn = other.fn;
    this.target = other.target;
    this.args = other.args;
    this.definition = other.definition;
    this.context = other.context;
  }

  /** Takes over the id of a task that comes back from a store, and how far it had come. */
  comeBack({ id, attempts, waits, call }: StoredTask): void {
    this.mintedId = id;
    this.attempts = attempts;
    this.waits = waits;
    this.stored = call;
    this.isCommitted = true;
    this.isFromStore = true;
  }

  /**
   * Lets go of the call: a remembered task must not keep alive what it was called with. Of a failed
   * one it is kept, because it can be retried.
   */
  private forget(): void {
    this.fn = forgotten;
    this.target = undefined;
    this.args = NO_ARGS;
    this.followers = undefined;
    this.leader = undefined;
  }

  /** Else each task of a chain that goes on and on would keep the one before it. */
  private standAlone(): void {
    this.prior = undefined;
    this.needs = undefined;
  }

  private joinedItems(): unknown[] {
    return [this, ...(this.followers ?? [])].flatMap(({ args }) => args[0] as unknown[]);
  }

  /** Its call is in a store now, and is made from there: what it holds is not needed here. */
  letGo(): void {
    this.context = undefined;
    this.forget();
    this.standAlone();
  }

  /** Records the end: the outcome first, then whoever waits for it. */
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
