import type { Task } from '../../../task/task.js';
import { linkOf, type JobLink } from '../codec/stored-job.js';
import type { JobStore } from '../store/job-store.js';

/** How often a retracted job is looked for, and how long if the store does not answer, in milliseconds. */
const LOOK_MS = 1_000;
const GIVE_UP_MS = 300_000;

/** How long a command may still take effect after its connection broke, in milliseconds. */
const LANDING_MS = 5_000;

/** A stored task whose response has not closed yet. */
interface Held {
  readonly link: JobLink;
  /** The delay that begins with the release, in milliseconds. */
  delayMs: number;
  prolongAt: number;
}

/** A job that may be in the store, and must not run. */
interface Unwanted {
  readonly link: JobLink;
  readonly until: number;
  /** Set by the store's first answer: a job that has not landed by then never will. */
  goneBy: number | undefined;
}

/**
 * Stored tasks that depend on this process: held while their responses are open, then released or
 * retracted as soon as the store can be reached.
 */
export class HeldTasks {
  private readonly held = new Map<string, Held>();
  private callOffProlong: (() => void) | undefined;
  private readonly unwanted = new Map<string, Unwanted>();
  private callOffLook: (() => void) | undefined;

  constructor(private readonly store: JobStore) {}

  /** @param holdMs how long the store holds the task if this process goes silent */
  hold(task: Task, holdMs: number): void {
    const link = linkOf(task);
    const { clock } = this.store;
    const prolongAt = clock.now() + holdMs / 2;
    this.held.set(link.id, { link, delayMs: task.settings.delayMs, prolongAt });
    this.callOffProlong ??= clock.after(holdMs / 4, () => this.prolong(holdMs));
  }

  /** The head of a stored line may start. */
  release(task: Task): void {
    const held = this.held.get(task.id);
    if (held !== undefined) {
      this.held.delete(task.id);
      void this.start(held.link, held.delayMs);
    }
  }

  /** Drops the delay of a task: from now on it waits only for its response. */
  hasten(link: JobLink): void {
    const held = this.held.get(link.id);
    if (held === undefined) {
      void this.start(link, 0);
    } else {
      held.delayMs = 0;
    }
  }

  /** Lets a stored task that waits for its release start `delayMs` from now. */
  async start(link: JobLink, delayMs: number, isWanted = always): Promise<void> {
    const { backend } = this.store.queue(link.queue);
    const tell = async (): Promise<void> => {
      if (isWanted()) {
        await (delayMs > 0
          ? backend.changeDelay(link.id, Math.ceil(delayMs))
          : backend.promote(link.id));
      }
    };
    // If this fails, the task has started already, was cancelled, or starts at the end of its hold.
    await this.store.untilAnswered(tell).catch(() => undefined);
  }

  /** Removes a job as soon as the store can be reached. */
  retract(link: JobLink): void {
    const { clock } = this.store;
    this.held.delete(link.id);
    this.unwanted.set(link.id, { link, until: clock.now() + GIVE_UP_MS, goneBy: undefined });
    this.callOffLook ??= clock.after(LOOK_MS, () => void this.look());
  }

  /** Ends the hold of a task that somebody else starts. */
  forget(id: string): void {
    this.held.delete(id);
  }

  /** The job must not be removed: a task that ran in memory instead, and is retried, has the same id. */
  keep(id: string): void {
    this.unwanted.delete(id);
  }

  /** Resolves when the retracted jobs are gone, or the store does not answer. */
  async close(): Promise<void> {
    this.callOffProlong?.();
    this.callOffLook?.();
    await this.look();
  }

  /** Responses may outlast the hold: a stream, a slow client. */
  private prolong(holdMs: number): void {
    this.callOffProlong = undefined;
    const { clock } = this.store;
    const now = clock.now();
    for (const held of this.held.values()) {
      if (held.prolongAt <= now) {
        const next = now + holdMs / 2;
        held.prolongAt = next;
        // Once the task is released, only its own delay counts.
        const isHeld = (): boolean =>
          this.held.get(held.link.id) === held && held.prolongAt === next;
        void this.start(held.link, holdMs + held.delayMs, isHeld);
      }
    }
    if (this.held.size > 0 && !this.store.isClosing) {
      this.callOffProlong = clock.after(holdMs / 4, () => this.prolong(holdMs));
    }
  }

  private async look(): Promise<void> {
    await Promise.all([...this.unwanted.values()].map((unwanted) => this.remove(unwanted)));
    this.callOffLook =
      this.unwanted.size > 0 && !this.store.isClosing
        ? this.store.clock.after(LOOK_MS, () => void this.look())
        : undefined;
  }

  private async remove(unwanted: Unwanted): Promise<void> {
    const { store } = this;
    const { id, queue } = unwanted.link;
    try {
      await store.inTime(store.ready());
      if (this.unwanted.get(id) === unwanted) {
        // On Redis the answer does not tell whether the job existed: 1 means that nobody runs it.
        await store.inTime(store.queue(queue).remove(id));
        unwanted.goneBy ??= store.clock.now() + LANDING_MS;
        if (store.clock.now() >= unwanted.goneBy) {
          this.unwanted.delete(id);
        }
      }
    } catch {
      if (unwanted.until < store.clock.now()) {
        this.unwanted.delete(id);
        store.logger.warn(`${store.label}: task ${id} may run although its request failed`);
      }
    }
  }
}

const always = (): boolean => true;
