import type { ServerResponse } from 'node:http';
import { TemporaryError } from '../errors/temporary.error.js';
import type { TaskIntake } from '../intake/task-intake.js';
import type { MethodIntake, OpenRequest } from '../task/ambient.js';
import type { Linked } from '../task/linked-list.js';
import type { Task } from '../task/task.js';
import { answerWith, type Answerer } from './nest/answer-with.js';
import type { Answer } from './nest/connections.js';
import { holdBack } from './nest/held-response.js';
import { isResponseClosed, onceAnswered, sentStatusOf } from './nest/response.js';
import { askToRetryLater } from './nest/retry-later.js';
import type { Requests } from './requests.js';

/**
 * How far a request has come.
 *
 * - `opened`: its tasks are collected
 * - `answered`: the response head is about to leave, and waits for tasks that are being stored
 * - `closed`: the client has all that it will ever get
 * - `decided`: it is decided which of its tasks run; they start in a later turn of the event loop
 * - `released`: its tasks are handed over, and a later task runs independently
 */
type Phase = 'opened' | 'answered' | 'closed' | 'decided' | 'released';

/** How long a middleware that is still at work may take to answer a client that has left. */
const PATIENCE_MS = 1_000;

export interface Opening {
  /** Node's response; `undefined` where there is none to wait for. */
  readonly response?: object;
  readonly request?: object;
  /** The same request in another application on the same server. */
  readonly sibling?: RequestLife | undefined;
  /** Sends an error where the answer cannot be given. */
  readonly answerer?: Answerer | undefined;
}

/**
 * The life of one request, with its tasks in the order added. Each request opens one, and most stay
 * empty. The status in the response head decides which tasks run.
 */
export class RequestLife implements OpenRequest, Linked<RequestLife> {
  readonly kind = 'request';
  before: RequestLife | undefined = undefined;
  behind: RequestLife | undefined = undefined;
  /** The number of tasks before the latest call of the handler, if that call has failed. */
  private failedFrom: number | undefined = undefined;
  private phase: Phase = 'opened';
  protected hasSucceeded: boolean | undefined = undefined;
  private tasks: Task[] | undefined = undefined;
  /** Tasks that run because a root field of GraphQL has ended. */
  private decided: Set<Task> | undefined = undefined;
  /** The latest task of each `dedupe` key. */
  private byKey: Map<string, Task> | undefined = undefined;
  /** Pending while Nest works on an answer. */
  private atWork: Promise<unknown> | undefined = undefined;
  private onConnection: Answer | undefined = undefined;
  private isHeldBack = false;
  private isHandedOver = false;
  /** Pending while tasks are being stored before the response closes. */
  private storing: Set<Promise<void>> | undefined = undefined;

  private response: object | undefined;
  private request: object | undefined;
  private answerer: Answerer | undefined;
  private readonly sibling: RequestLife | undefined;

  constructor(
    protected readonly requests: Requests,
    { response, request, sibling, answerer }: Opening,
  ) {
    this.response = response;
    this.request = request;
    this.answerer = answerer;
    this.sibling = sibling;
  }

  get intake(): TaskIntake {
    return this.requests.intake;
  }

  /** `undefined` once the connection was handed over: it is no request any more. */
  of(intake: MethodIntake): RequestLife | undefined {
    const life = this.attachedFor(intake);
    return life?.isHandedOver === true ? undefined : life;
  }

  attachedFor(intake: MethodIntake): RequestLife | undefined {
    return this.intake === intake ? this : this.sibling?.attachedFor(intake);
  }

  /** On Fastify a middleware passes the raw request, and a later hook the one that users know. */
  comesAgain(request: object, answerer: Answerer | undefined): void {
    this.answerer = answerer ?? this.answerer;
    this.request &&= request;
  }

  isWithin(other: RequestLife): boolean {
    return this === other;
  }

  /** A task added from now on runs independently. */
  get isOver(): boolean {
    return this.phase === 'decided' || this.phase === 'released';
  }

  get collected(): readonly Task[] {
    return this.tasks ?? [];
  }

  get waiting(): readonly Task[] {
    return this.collected;
  }

  /** Without the query, which may hold secrets. */
  get title(): string {
    const { req } = (this.response ?? {}) as Partial<ServerResponse>;
    return req === undefined ? 'A request' : `${req.method} ${req.url?.split('?', 1)[0]}`;
  }

  duplicateOf(dedupeKey: string): Task | undefined {
    const task = this.byKey?.get(dedupeKey);
    return task?.isOver === false ? task : undefined;
  }

  admit(): void {
    if (this.response !== undefined) {
      this.requests.connections.check(this.response, this.onConnection);
    }
  }

  refused(error: unknown): void {
    if (error instanceof TemporaryError) {
      this.requests.observer.log.refused(error);
      if (this.response !== undefined) {
        askToRetryLater(error, this.response);
      }
    }
  }

  /**
   * Takes a task, or drops it where the request has not ended as the task requires.
   *
   * @returns false where the request is over and the task runs independently. A promise where the
   * task is being stored at once, because the answer is about to leave
   */
  add(task: Task): Promise<void> | boolean {
    if (this.phase === 'opened' && this.tasks === undefined) {
      this.catchUp();
    }
    if (!this.isOver) {
      return this.collect(task);
    }
    if (this.isHandedOver) {
      return false;
    }
    const { drops } = this.requests.plan([task], this.hasSucceeded ?? false);
    this.requests.drop(drops);
    return drops.length > 0;
  }

  /** Takes a task that runs whatever becomes of the request. @returns as {@link add} */
  addDecided(task: Task): Promise<void> | boolean {
    if (this.isOver) {
      return false;
    }
    (this.decided ??= new Set()).add(task);
    return this.collect(task);
  }

  private collect(task: Task): Promise<void> | true {
    const { response } = this;
    if (task.keys?.dedupe !== undefined) {
      (this.byKey ??= new Map()).set(task.keys.dedupe, task);
    }
    if (this.tasks === undefined) {
      this.tasks = [task];
      // Only now: a request without tasks pays for no listener.
      this.onConnection = this.requests.watch(this, response);
    } else {
      this.tasks.push(task);
    }
    this.onConnection?.added();
    if (task.stored === undefined || response === undefined) {
      return true;
    }
    if (this.phase === 'opened') {
      this.holdBack(response);
    }
    return (this.hasSucceeded === undefined ? undefined : this.storeNow()) ?? true;
  }

  /** The response was not watched before the first task, and may have closed by now. */
  private catchUp(): void {
    const { response } = this;
    if (response !== undefined && isResponseClosed(response)) {
      const status = sentStatusOf(response);
      if (status !== undefined) {
        this.decideBy(status);
        this.phase = 'released';
      }
    }
  }

  /** Holds the answer back until the tasks that must survive a crash are stored. */
  private holdBack(response: object): void {
    const status = sentStatusOf(response);
    if (status !== undefined) {
      this.phase = 'answered';
      this.decideBy(status);
    } else if (!this.isHeldBack) {
      this.isHeldBack = true;
      holdBack(response, {
        answering: (sent) => this.answering(sent),
        refused: (error) => this.unsent(error),
      });
    }
  }

  private answering(status: number): Promise<void> | void {
    if (this.phase === 'opened') {
      this.phase = 'answered';
      this.decideBy(status);
      return this.storeNow();
    }
    this.decide(status); // the client has left
  }

  /**
   * Stores the tasks that run and are not stored yet. The others are dropped at the end, because
   * another answer may have to be sent.
   */
  private storeNow(): Promise<void> | void {
    const { collected, decided, hasSucceeded = false } = this;
    const { run, drops } = this.requests.plan(collected, hasSucceeded, decided);
    this.requests.takeBack(drops.filter(({ task }) => task.isCommitted));
    const storing = this.requests.commit(collected, run, true);
    if (storing !== undefined) {
      const settled = (): void => void this.storing?.delete(storing);
      (this.storing ??= new Set()).add(storing);
      storing.then(settled, settled);
    }
    return storing;
  }

  /** The answer cannot be sent, or its tasks could not be stored. The answer sent in its place decides. */
  private unsent(error: unknown): void {
    const { response } = this;
    if (this.phase !== 'answered' || response === undefined) {
      return; // the client has left meanwhile
    }
    if (sentStatusOf(response) === undefined) {
      this.phase = 'opened';
      this.hasSucceeded = undefined;
      this.requests.reopen(this.collected);
    }
    this.refused(error);
    const { log } = this.requests.observer;
    if (!(error instanceof TemporaryError)) {
      log.unsent(this.title, error);
    }
    try {
      answerWith(error, response, this.answerer);
    } catch (again) {
      log.unsent(this.title, again);
      (response as ServerResponse).destroy();
    }
  }

  /** Nest has begun to work on an answer, and has finished when `work` settles. */
  begin(work: Promise<unknown>): void {
    this.atWork = this.atWork === undefined ? work : Promise.allSettled([this.atWork, work]);
    if (this.phase === 'closed') {
      this.awaitEnd(this.atWork);
    }
  }

  close(): void {
    if (this.phase === 'opened' || this.phase === 'answered') {
      this.phase = 'closed';
      const { response } = this;
      const status = response && sentStatusOf(response);
      if (response !== undefined && status === undefined) {
        this.awaitAnswer(response);
      } else {
        this.decide(status);
      }
    }
  }

  /** Somebody has taken the connection over, for a WebSocket for example, and sent this status. */
  handedOver(status: number): void {
    if (this.phase === 'opened') {
      this.isHandedOver = true;
      this.phase = 'closed';
      this.decide(status);
    }
  }

  /**
   * The client left first. The status it would have got decides, if an answer is still being worked
   * on.
   */
  private awaitAnswer(response: object): void {
    onceAnswered(response, (status) => this.decide(status));
    if (this.atWork !== undefined) {
      this.awaitEnd(this.atWork);
    } else {
      this.requests.clock.after(
        PATIENCE_MS,
        () => this.atWork === undefined && this.decide(undefined),
      );
    }
  }

  private awaitEnd(work: Promise<unknown>): void {
    const ended = (): void => {
      if (this.atWork === work) {
        this.decide(undefined);
      }
    };
    work.then(ended, ended);
  }

  /** @param status `undefined` where no answer was made */
  private decide(status: number | undefined): void {
    if (this.phase === 'closed') {
      this.phase = 'decided';
      this.decideBy(status);
      this.requests.releaseSoon(this);
    }
  }

  private decideBy(status: number | undefined): void {
    this.hasSucceeded ??= status !== undefined && this.requests.succeeded(status, this.request);
  }

  release(): void {
    const { hasSucceeded = false, decided } = this;
    const storing = this.storing?.size ? Promise.allSettled(this.storing) : undefined;
    const tasks = this.seal();
    const plan = this.requests.plan(tasks, hasSucceeded, decided);
    // The handles and the log tell of tasks that could not be stored.
    this.requests.release(tasks, plan, storing)?.catch(() => undefined);
  }

  /**
   * The handler is called. If an earlier call has failed, the tasks of that call do not run.
   *
   * @returns a function to call if this call fails
   */
  called(): () => void {
    const { failedFrom = this.collected.length } = this;
    const tasks = this.tasks?.splice(failedFrom) ?? [];
    this.requests.drop(tasks.map((task) => ({ task, reason: 'request-failed' })));
    this.failedFrom = undefined;
    return () => {
      this.failedFrom = failedFrom;
    };
  }

  get hasFailed(): boolean {
    return this.failedFrom !== undefined;
  }

  /** Takes out all tasks for good and lets go of the request. */
  seal(): readonly Task[] {
    const { tasks = [] } = this;
    this.phase = 'released';
    this.requests.forget(this);
    this.onConnection?.close();
    this.onConnection = undefined;
    this.tasks = undefined;
    this.byKey = undefined;
    this.decided = undefined;
    this.atWork = undefined;
    this.request = undefined;
    this.response = undefined;
    this.answerer = undefined;
    return tasks;
  }
}
