import type { Task } from '../../../task/task.js';
import { linkOf, type JobLink } from '../codec/stored-job.js';
import type { JobStore } from '../store/job-store.js';

/** How often a job that is not to run is looked for, and how long where the store does not answer. */
const LOOK_MS = 1_000;
const GIVE_UP_MS = 300_000;

/** How long after its connection broke a command may still be carried out, in milliseconds. */
const LANDING_MS = 5_000;

/** A stored task whose response has not closed yet. */
interface Held {
  readonly link: JobLink;
  /** How long it waits once it is released, in milliseconds. */
  delayMs: number;
  prolongAt: number;
}

/** A job that may be in the store, and is not to run. */
interface Unwanted {
  readonly link: JobLink;
  readonly until: number;
  /** Set by the first answer: what has not landed by then never will. */
  goneBy: number | undefined;
}

/**
 * Stored tasks that wait for a word from this process: held while their responses are open, then
 * released, or taken back, as soon as the store can be reached.
 */
export class HeldTasks {
  private readonly held = new Map<string, Held>();
  private callOffProlong: (() => void) | undefined;
  private readonly unwanted = new Map<string, Unwanted>();
  private callOffLook: (() => void) | undefined;

  constructor(private readonly store: JobStore) {}

  /** @param holdMs how long the store holds it, should nothing be heard of this process */
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

  /** What waits for its time is to wait for nothing but its response any more. */
  hasten(link: JobLink): void {
    const held = this.held.get(link.id);
    if (held === undefined) {
      void this.start(link, 0);
    } else {
      held.delayMs = 0;
    }
  }

  /** A stored task that waits for its release may start, `delayMs` from now. */
  async start(link: JobLink, delayMs: number, isWanted = always): Promise<void> {
    const { backend } = this.store.queue(link.queue);
    const tell = async (): Promise<void> => {
      if (isWanted()) {
        await (delayMs > 0
          ? backend.changeDelay(link.id, Math.ceil(delayMs))
          : backend.promote(link.id));
      }
    };
    // Else it has started already, or was cancelled, or starts at the end of its hold.
    await this.store.untilAnswered(tell).catch(() => undefined);
  }

  /** Removes a job, now or as soon as the store can be reached again. */
  retract(link: JobLink): void {
    const { clock } = this.store;
    this.held.delete(link.id);
    this.unwanted.set(link.id, { link, until: clock.now() + GIVE_UP_MS, goneBy: undefined });
    this.callOffLook ??= clock.after(LOOK_MS, () => void this.look());
  }

  /** Somebody else sees to it that it starts. */
  forget(id: string): void {
    this.held.delete(id);
  }

  /** It is to run after all: a task that ran in memory instead, and is retried, has the same id. */
  keep(id: string): void {
    this.unwanted.delete(id);
  }

  /** Resolves when what is not to run is gone, or the store does not answer. */
  async close(): Promise<void> {
    this.callOffProlong?.();
    this.callOffLook?.();
    await this.look();
  }

  /** Responses may take longer than the hold: a stream, a slow client. */
  private prolong(holdMs: number): void {
    this.callOffProlong = undefined;
    const { clock } = this.store;
    const now = clock.now();
    for (const held of this.held.values()) {
      if (held.prolongAt <= now) {
        const next = now + holdMs / 2;
        held.prolongAt = next;
        // Once it is released, its delay is what counts.
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
        // Whether there was one it does not say on Redis: its 1 means that nobody runs it.
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
