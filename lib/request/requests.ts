import type { Engine } from '../engine/engine.js';
import { Delivery } from '../intake/delivery.js';
import type { TaskIntake } from '../intake/task-intake.js';
import type { Observer } from '../observe/observer.js';
import type { RequestSettings } from '../options/module-options.js';
import type { Clock } from '../task/clock.js';
import { linesOf, unlink, type LineRules } from '../task/line.js';
import { LinkedList } from '../task/linked-list.js';
import type { Task } from '../task/task.js';
import { attach, attachedLife } from './life-of-request.js';
import type { Answerer } from './nest/answer-with.js';
import { Connections, type Answer } from './nest/connections.js';
import { rawResponse } from './nest/response.js';
import { watchUpgrade } from './nest/upgrade.js';
import { planOf, type Drop, type Plan } from './plan.js';
import { MessageLife } from './message-life.js';
import { RequestLife, type Opening } from './request-life.js';

/** All open requests of one application, and the way of their tasks to the engine. */
export class Requests {
  /** The requests decided in this turn of the event loop. */
  private decided: RequestLife[] = [];
  /** The requests with tasks that have not been released. */
  private readonly collecting = new LinkedList<RequestLife>();
  readonly connections: Connections;
  private readonly delivery: Delivery;
  private readonly rules: LineRules;
  private readonly stopOf: ((task: Task) => unknown) | undefined;

  constructor(
    readonly intake: TaskIntake,
    private readonly engine: Engine,
    readonly observer: Observer,
    private readonly settings: RequestSettings,
    readonly clock: Clock,
  ) {
    this.delivery = new Delivery(engine, observer);
    this.connections = new Connections(clock, (unread) => observer.log.unread(unread));
    this.rules = { ...settings, engineOf: (queue) => engine.supportOf(queue) };
    this.stopOf =
      settings.onFailure === 'stop' ? ({ queue }) => this.rules.engineOf(queue) : undefined;
  }

  /**
   * The life of an HTTP request, opened at the first call and attached to the request. Fastify
   * passes the same request twice: raw to a middleware, wrapped to the hook.
   */
  open(request: object, response: object, answerer?: Answerer): RequestLife {
    const sibling = attachedLife(request);
    const known = sibling?.attachedFor(this.intake);
    if (known !== undefined) {
      known.comesAgain(request, answerer);
      return known;
    }
    const life = this.begin({ response: rawResponse(response), request, sibling, answerer });
    attach(life, request);
    watchUpgrade(request, rawResponse(response), (status) => life.handedOver(status));
    return life;
  }

  begin(opening: Opening): RequestLife {
    return new RequestLife(this, opening);
  }

  /** @param parent the HTTP request around a root field of GraphQL */
  beginMessage(parent?: RequestLife): MessageLife {
    return new MessageLife(this, parent);
  }

  succeeded(status: number, request: object | undefined): boolean {
    const { succeeded } = this.settings;
    if (succeeded !== undefined) {
      try {
        return succeeded({ status, request });
      } catch (error) {
        this.observer.log.ruleFailed(error);
      }
    }
    return status < 400;
  }

  plan(tasks: readonly Task[], hasSucceeded: boolean, decided?: ReadonlySet<Task>): Plan {
    return planOf(tasks, hasSucceeded, decided, this.stopOf);
  }

  /** Called with the first task of a request. */
  watch(life: RequestLife, response: object | undefined): Answer | undefined {
    this.collecting.add(life);
    return response && this.connections.open(response, () => life.close());
  }

  forget(life: RequestLife): void {
    this.collecting.delete(life);
  }

  /**
   * Releases at the end of this turn. The engine lets another whole turn pass before it starts a
   * task: a body that blocks then does not hold up the response.
   */
  releaseSoon(life: RequestLife): void {
    if (this.decided.push(life) === 1) {
      this.clock.soon(() => {
        const lives = this.decided;
        this.decided = [];
        lives.forEach((each) => each.release());
      });
    }
  }

  /**
   * Commits the tasks that run. If storing fails, they are dropped.
   *
   * @param tasks all of the request, in the order added
   * @returns a promise if the engine stores tasks, which resolves when they are stored
   */
  commit(tasks: readonly Task[], run: readonly Task[], isHeld: boolean): Promise<void> | void {
    if (run.length > 0) {
      for (const task of run) {
        task.isCommitted = true;
      }
      linesOf(tasks.filter(isCommitted), this.rules);
      return this.delivery.commit(run, isHeld);
    }
  }

  /**
   * Stores the tasks that run and are not stored yet, and hands them over with those stored before.
   *
   * @param tasks of one request
   * @param storing pending while some of them are being stored
   * @returns a promise if any task is stored, which rejects if that fails
   */
  release(
    tasks: readonly Task[],
    { run, drops }: Plan,
    storing?: Promise<unknown>,
  ): Promise<void> | void {
    this.drop(drops);
    const stored = this.commit(tasks, run, false);
    if (stored === undefined && storing === undefined) {
      return this.handOver(tasks);
    }
    return Promise.all([storing, stored])
      .then(() => undefined)
      .finally(() => this.handOver(tasks));
  }

  private handOver(tasks: readonly Task[]): void {
    const committed = tasks.filter(isCommitted);
    void this.delivery.release(linesOf(committed, this.rules), committed);
  }

  drop(drops: readonly Drop[]): void {
    drops.forEach(({ task, reason }) => this.delivery.drop(task, reason));
  }

  /** An answer was not sent, so it is decided anew which tasks run. Those already dropped hold up no others. */
  reopen(tasks: readonly Task[]): void {
    unlink(tasks);
    for (const task of tasks) {
      task.isCommitted &&= task.outcome?.status !== 'dropped';
    }
  }

  /** Drops tasks that were stored for an answer that was not sent. */
  takeBack(drops: readonly Drop[]): void {
    this.drop(drops);
    for (const { task } of drops) {
      task.isCommitted = false;
    }
  }

  /** The tasks of open requests. */
  *collected(): Generator<Task> {
    for (const { collected } of this.collecting) {
      yield* collected.filter(({ outcome }) => outcome === undefined);
    }
  }

  /** Resolves when the tasks of decided requests are released. */
  whenClosedReleased(): Promise<void> | void {
    if (this.decided.length > 0) {
      return new Promise((resolve) => this.clock.soon(resolve));
    }
  }

  /** The engine has stopped. It reports the tasks of open requests as lost. */
  abandon(): void {
    for (const life of this.collecting) {
      life
        .seal()
        .filter(({ isOver }) => !isOver)
        .forEach((task) => this.engine.release(task));
    }
  }
}

function isCommitted(task: Task): boolean {
  return task.isCommitted;
}
