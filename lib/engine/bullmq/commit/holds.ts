import type { Clock } from '../../../task/clock.js';
import type { Task } from '../../../task/task.js';
import type { JobStore } from '../store/job-store.js';
import { isAnswer } from '../store/task-worker.js';
import { linkOf, type JobLink } from '../codec/stored-job.js';

/** How soon what could not be done is tried again, in milliseconds. */
const AGAIN_MS = 1_000;

/** A stored task whose response has not closed yet. */
interface Holder {
  readonly link: JobLink;
  /** How long it waits once it is released, in milliseconds. */
  delayMs: number;
  prolongAt: number;
}

/** Stored tasks that wait for a word from this process: those whose responses have not closed. */
export class Holds {
  private readonly held = new Map<string, Holder>();
  private callOffProlong: (() => void) | undefined;
  private readonly late = new Map<string, () => Promise<void>>();
  private callOffLate: (() => void) | undefined;
  private isClosed = false;

  constructor(
    private readonly store: JobStore,
    private readonly clock: Clock,
  ) {}

  /** @param holdMs how long the store holds it, should nothing be heard of this process */
  hold(task: Task, holdMs: number): void {
    const link = linkOf(task);
    const { delayMs } = task.settings;
    this.held.set(link.id, { link, delayMs, prolongAt: this.clock.now() + holdMs / 2 });
    this.callOffProlong ??= this.clock.after(holdMs / 4, () => this.prolong(holdMs));
  }

  /** The head of a stored line may start. */
  release(task: Task): void {
    const holder = this.held.get(task.id);
    if (holder !== undefined) {
      this.held.delete(task.id);
      void this.start(holder.link, holder.delayMs);
    }
  }

  /** What waits for its time is to wait for nothing but its response any more. */
  hasten(link: JobLink): Promise<void> {
    const holder = this.held.get(link.id);
    if (holder === undefined) {
      return this.start(link, 0);
    }
    holder.delayMs = 0;
    return Promise.resolve();
  }

  /** A stored task that waits for its release may start, `delayMs` from now. */
  async start(link: JobLink, delayMs: number, isWanted = always): Promise<void> {
    const queue = this.store.queue(link.queue);
    try {
      await (delayMs > 0
        ? queue.backend.changeDelay(link.id, Math.ceil(delayMs))
        : queue.backend.promote(link.id));
    } catch (error) {
      // Else it has started already, or was cancelled.
      if (!isAnswer(error) && isWanted()) {
        this.startLater(link, delayMs, isWanted);
      }
    }
  }

  /** It is not going to be released. */
  forget(id: string): void {
    this.held.delete(id);
  }

  close(): void {
    this.isClosed = true;
    this.callOffProlong?.();
    this.callOffLate?.();
  }

  /** It would start at the end of its hold, at the latest; sooner is as soon as the store is back. */
  private startLater(link: JobLink, delayMs: number, isWanted: () => boolean): void {
    this.late.set(link.id, async () => {
      if (isWanted()) {
        await this.start(link, delayMs, isWanted);
      }
    });
    this.callOffLate ??= this.clock.after(AGAIN_MS, () => {
      const late = [...this.late.values()];
      this.late.clear();
      this.callOffLate = undefined;
      if (!this.isClosed) {
        late.forEach((start) => void start());
      }
    });
  }

  /** Responses may take longer than the hold: a stream, a slow client. */
  private prolong(holdMs: number): void {
    this.callOffProlong = undefined;
    const now = this.clock.now();
    for (const holder of this.held.values()) {
      if (holder.prolongAt <= now) {
        holder.prolongAt = now + holdMs / 2;
        // Once it is released, its delay is what counts.
        const isHeld = (): boolean => this.held.get(holder.link.id) === holder;
        void this.start(holder.link, holdMs + holder.delayMs, isHeld);
      }
    }
    if (this.held.size > 0 && !this.isClosed) {
      this.callOffProlong = this.clock.after(holdMs / 4, () => this.prolong(holdMs));
    }
  }
}

const always = (): boolean => true;
