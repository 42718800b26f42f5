import { randomBytes } from 'node:crypto';
import type { LoggerService } from '@nestjs/common';
import { StoreUnavailableError } from '../../errors/storage.errors.js';
import type { Clock } from '../../task/clock.js';
import type { Task } from '../../task/task.js';
import type { TransactionClient } from '../../task/transaction-client.js';
import { Patience } from '../patience.js';
import type { BullMQSettings } from './bullmq-options.js';
import type { JobStore } from './job-store.js';
import { entryOf, jobsOf, linkOf, type JobLink, type NewJob } from './stored-job.js';

/** How long a task in a line waits to be told before it looks for itself, in milliseconds. */
const LINE_HOLD_MS = 3_600_000;
/** How often what could not be done is tried again, and for how long. */
const AGAIN_MS = 1_000;
const GIVE_UP_MS = 300_000;

/** How long after its connection broke a command may still be carried out, in milliseconds. */
const LANDING_MS = 5_000;

/** So many are taken back side by side. */
const RETRACT_AT_ONCE = 50;

/** A job that may be in the store, and is not to run. */
interface Unwanted {
  readonly link: JobLink;
  readonly until: number;
  /** Set by the first answer: what has not landed by then never will. */
  goneBy: number | undefined;
}

/** A stored task whose response has not closed yet. */
interface Holder {
  readonly link: JobLink;
  /** How long it waits once it is released, in milliseconds. */
  delayMs: number;
  prolongAt: number;
}

/** How far tasks have come on their way to the store. */
interface Adding {
  isSent: boolean;
  isGivenUp: boolean;
}

/** Puts tasks into the store, holds them until they are released, and takes back what is not to run. */
export class Producer {
  /** The process, as its jobs name it. */
  readonly id = randomBytes(9).toString('base64url');
  private readonly held = new Map<string, Holder>();
  private callOffProlong: (() => void) | undefined;
  private readonly unwanted = new Map<string, Unwanted>();
  private callOffRetract: (() => void) | undefined;
  private readonly late = new Map<string, () => Promise<void>>();
  private callOffLate: (() => void) | undefined;
  private isClosed = false;
  private readonly patience: Patience;

  constructor(
    private readonly store: JobStore,
    private readonly settings: BullMQSettings,
    private readonly clock: Clock,
    private readonly logger: LoggerService,
  ) {
    this.patience = new Patience(clock, settings.commitTimeoutMs);
  }

  /**
   * All of them in one transaction, whatever queues they are for.
   *
   * @returns those that the store knew already, by their dedupe key
   * @throws StoreUnavailableError within the commit timeout
   */
  async add(
    lines: readonly (readonly Task[])[],
    isHeld: boolean,
    after: Task | undefined,
  ): Promise<Task[]> {
    const heldMs = isHeld ? this.settings.holdMs : undefined;
    const jobs = jobsOf(lines, this.id, heldMs, LINE_HOLD_MS, after);
    const adding: Adding = { isSent: this.store.isReady, isGivenUp: false };
    try {
      const ids = await this.patience.wait(
        adding.isSent ? this.insert(jobs) : this.insertOnceReady(jobs, adding),
      );
      const duplicates = jobs.flatMap(({ task }, index) => (ids[index] === task.id ? [] : [task]));
      lines.forEach((line) => this.begin(line, duplicates, heldMs));
      return duplicates;
    } catch (cause) {
      adding.isGivenUp = true;
      if (adding.isSent) {
        // It may have landed all the same, and must not run: the client is told that it failed.
        jobs.forEach(({ task }) => this.retract(linkOf(task)));
      }
      throw new StoreUnavailableError(this.store.label, { cause });
    }
  }

  /**
   * In a transaction of somebody else's, whose commit releases it.
   *
   * @returns its id, or that of the task that stands for its dedupe key; `undefined` where the store
   * has no part in transactions
   * @throws StoreUnavailableError, TransactionError
   */
  addWithin(client: TransactionClient, task: Task): Promise<string> | undefined {
    const { store } = this;
    if (store.addWithin === undefined) {
      return undefined;
    }
    const add = store.addWithin.bind(store, client);
    const jobs = jobsOf([[task]], this.id, undefined, LINE_HOLD_MS, undefined);
    return this.whenReady()
      .then(() => Promise.all(jobs.map(add)))
      .then(([id = task.id]) => id);
  }

  /** @throws StoreUnavailableError within the commit timeout */
  private async whenReady(): Promise<void> {
    try {
      await this.patience.wait(this.store.ready());
    } catch (cause) {
      throw new StoreUnavailableError(this.store.label, { cause });
    }
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
        ? queue.backend.changeDelay(link.id, delayMs)
        : queue.backend.promote(link.id));
    } catch (error) {
      // Else it has started already, or was cancelled.
      if (!isAnswer(error) && isWanted()) {
        this.startLater(link, delayMs, isWanted);
      }
    }
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

  /** Removes a job, now or as soon as the store can be reached again. */
  retract(link: JobLink): void {
    this.held.delete(link.id);
    this.unwanted.set(link.id, {
      link,
      until: this.clock.now() + GIVE_UP_MS,
      goneBy: undefined,
    });
    this.callOffRetract ??= this.clock.after(AGAIN_MS, () => void this.retractAll());
  }

  /** Resolves when what is not to run is gone, or the store does not answer. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.callOffProlong?.();
    this.callOffRetract?.();
    this.callOffLate?.();
    await this.retractAll();
  }

  private async insertOnceReady(jobs: readonly NewJob[], adding: Adding): Promise<string[]> {
    await this.store.ready();
    if (adding.isGivenUp) {
      throw new Error('Nobody waits for it any longer.');
    }
    adding.isSent = true;
    return this.insert(jobs);
  }

  private async insert(jobs: readonly NewJob[]): Promise<string[]> {
    const [first, second] = jobs;
    if (first === undefined) {
      return [];
    }
    const queue = this.store.queue(first.task.queue);
    const { backend } = queue;
    if (second === undefined) {
      // One command is a transaction of its own, and costs less than to open one.
      const { jobData, jobId, parentKeyOpts } = entryOf(queue, first);
      return [await backend.addJob(jobData, jobId, parentKeyOpts)];
    }
    const entries = jobs.map((job) => entryOf(this.store.queue(job.task.queue), job));
    const results = await backend.addFlow(entries);
    return results.map(([error, id]) => {
      if (error !== null) {
        throw error;
      }
      return String(id);
    });
  }

  /** Where the head of a line is a duplicate, the first that is none takes its place. */
  private begin(
    line: readonly Task[],
    duplicates: readonly Task[],
    heldMs: number | undefined,
  ): void {
    const first = line.find((task) => !duplicates.includes(task));
    if (first === undefined) {
      return;
    }
    if (heldMs !== undefined) {
      this.hold(first, heldMs);
    }
    if (first !== line[0]) {
      // It was stored as one that somebody before it in its line releases.
      void this.start(linkOf(first), (heldMs ?? 0) + first.settings.delayMs);
    }
  }

  private hold(task: Task, holdMs: number): void {
    const link = linkOf(task);
    const { delayMs } = task.settings;
    this.held.set(link.id, { link, delayMs, prolongAt: this.clock.now() + holdMs / 2 });
    this.callOffProlong ??= this.clock.after(holdMs / 4, () => this.prolong(holdMs));
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

  private async retractAll(): Promise<void> {
    const all = [...this.unwanted.values()];
    let isReachable = true;
    for (let from = 0; isReachable && from < all.length; from += RETRACT_AT_ONCE) {
      const some = all.slice(from, from + RETRACT_AT_ONCE);
      const answers = await Promise.all(some.map((each) => this.retractOne(each)));
      isReachable = answers.every(Boolean);
    }
    this.callOffRetract =
      this.unwanted.size > 0 && !this.isClosed
        ? this.clock.after(AGAIN_MS, () => void this.retractAll())
        : undefined;
  }

  /** @returns whether the store has answered */
  private async retractOne(unwanted: Unwanted): Promise<boolean> {
    const { link, until } = unwanted;
    const { id, queue } = link;
    try {
      await this.patience.wait(this.store.ready());
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

const always = (): boolean => true;

/** Whether it was the store that refused, by a code of BullMQ's: not the way to it. */
export function isAnswer(error: unknown): boolean {
  return typeof (error as { code?: unknown } | null)?.code === 'number';
}
