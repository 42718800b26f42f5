import type { LoggerService } from '@nestjs/common';
import type { Clock } from '../../../task/clock.js';
import type { Patience } from '../../patience.js';
import type { JobStore } from '../store/job-store.js';
import type { JobLink } from '../codec/stored-job.js';

/** How often what could not be done is tried again, and for how long. */
const AGAIN_MS = 1_000;
const GIVE_UP_MS = 300_000;

/** How long after its connection broke a command may still be carried out, in milliseconds. */
const LANDING_MS = 5_000;

/** So many are taken back side by side. */
const AT_ONCE = 50;

/** A job that may be in the store, and is not to run. */
interface Unwanted {
  readonly link: JobLink;
  readonly until: number;
  /** Set by the first answer: what has not landed by then never will. */
  goneBy: number | undefined;
}

/** Takes back jobs that may be in the store, or may land there yet, and are not to run. */
export class Retraction {
  private readonly unwanted = new Map<string, Unwanted>();
  private callOff: (() => void) | undefined;
  private isClosed = false;

  constructor(
    private readonly store: JobStore,
    private readonly patience: Patience,
    private readonly clock: Clock,
    private readonly logger: LoggerService,
  ) {}

  /** Removes a job, now or as soon as the store can be reached again. */
  add(link: JobLink): void {
    const until = this.clock.now() + GIVE_UP_MS;
    this.unwanted.set(link.id, { link, until, goneBy: undefined });
    this.callOff ??= this.clock.after(AGAIN_MS, () => void this.removeAll());
  }

  /** It is to run after all: a task that ran in memory instead, and is retried, has the same id. */
  callOffFor(id: string): void {
    this.unwanted.delete(id);
  }

  /** Resolves when what is not to run is gone, or the store does not answer. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.callOff?.();
    await this.removeAll();
  }

  private async removeAll(): Promise<void> {
    const all = [...this.unwanted.values()];
    let isReachable = true;
    for (let from = 0; isReachable && from < all.length; from += AT_ONCE) {
      const some = all.slice(from, from + AT_ONCE);
      const answers = await Promise.all(some.map((each) => this.removeOne(each)));
      isReachable = answers.every(Boolean);
    }
    this.callOff =
      this.unwanted.size > 0 && !this.isClosed
        ? this.clock.after(AGAIN_MS, () => void this.removeAll())
        : undefined;
  }

  /** @returns whether the store has answered */
  private async removeOne(unwanted: Unwanted): Promise<boolean> {
    const { link, until } = unwanted;
    const { id, queue } = link;
    try {
      await this.patience.wait(this.store.ready());
      if (this.unwanted.get(id) !== unwanted) {
        return true; // called off meanwhile
      }
      // Whether there was one it does not say on Redis: its 1 means that nobody runs it.
      await this.patience.wait(this.store.queue(queue).remove(id));
      unwanted.goneBy ??= this.clock.now() + LANDING_MS;
      if (this.clock.now() >= unwanted.goneBy) {
        this.unwanted.delete(id);
      }
      return true;
    } catch {
      if (until < this.clock.now()) {
        this.unwanted.delete(id);
        this.logger.warn(`${this.store.label}: task ${id} may run although its request failed`);
      }
      return false;
    }
  }
}
