import type { Task } from '../task/task.js';
import { RequestLife } from './request-life.js';
import type { Requests } from './requests.js';

/**
 * The life of a message. It has no HTTP answer, so the end of its handler decides which tasks run.
 * A root field of GraphQL has such a life, too; its tasks then join those of the surrounding HTTP
 * request.
 */
export class MessageLife extends RequestLife {
  /** The end of the message is followed, its guards and exception filters included. */
  isFollowed = false;
  /** An interceptor sees the handler end. Without such an end a guard has refused the message. */
  isInterceptorDue = false;
  /** An interceptor further out follows the handler. */
  isIntercepted = false;

  constructor(
    requests: Requests,
    /** The HTTP request around a root field of GraphQL. */
    readonly parent: RequestLife | undefined,
  ) {
    super(requests, {});
  }

  /** The end of the handler is seen further out than by the interceptor that asks. */
  get isSeenFurtherOut(): boolean {
    return this.isIntercepted || (this.isFollowed && !this.isInterceptorDue);
  }

  override isWithin(other: RequestLife): boolean {
    return super.isWithin(other) || (this.parent?.isWithin(other) ?? false);
  }

  override get waiting(): readonly Task[] {
    return [...super.waiting, ...(this.parent?.waiting ?? [])];
  }

  override get title(): string {
    return this.parent?.title ?? 'The handler of a message';
  }

  override duplicateOf(dedupeKey: string): Task | undefined {
    return super.duplicateOf(dedupeKey) ?? this.parent?.duplicateOf(dedupeKey);
  }

  override admit(): void {
    this.parent?.admit();
  }

  override refused(error: unknown): void {
    super.refused(error);
    this.parent?.refused(error);
  }

  override add(task: Task): Promise<void> | boolean {
    const taken = super.add(task);
    return taken === false && this.parent !== undefined ? this.parent.addDecided(task) : taken;
  }

  /**
   * The handler has ended, which decides which tasks run.
   *
   * @returns pending while tasks are being stored: the answer waits for it
   */
  end(hasSucceeded: boolean): Promise<void> | void {
    if (this.isOver) {
      return undefined;
    }
    this.hasSucceeded = hasSucceeded;
    const tasks = this.seal();
    const plan = this.requests.plan(tasks, hasSucceeded);
    const { parent } = this;
    if (parent === undefined || parent.isOver) {
      return this.requests.release(tasks, plan);
    }
    this.requests.drop(plan.drops);
    plan.run.forEach((task) => parent.addDecided(task));
  }
}
