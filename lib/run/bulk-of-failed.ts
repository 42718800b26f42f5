import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { summaryOf, errorText } from '../errors/error-text.js';
import { ShutDownError } from '../errors/misuse.errors.js';
import { QueueFullError } from '../errors/queue-full.error.js';
import { StoreUnavailableError } from '../errors/storage.errors.js';
import { wholeMs, type Clock } from '../task/clock.js';
import { positionOf, type Position } from '../task/position.js';
import type { TaskInfo } from '../task/task-info.js';
import type { FailedFilter, FailedTasksQuery } from './task-list.js';

/** How many tasks are read and acted on at once: a durable engine stores them together. */
const PAGE = 500;
/** The shortest wait between slices if there is a rate, in milliseconds. */
const SLICE_MS = 20;
/** How long to wait for a full queue, in milliseconds. */
const FULL_MS = 50;

/** Applies one action to all failed tasks that match a filter, oldest first. */
export class BulkOfFailed {
  /** Errors of single tasks, which do not stop the tasks behind them. */
  private readonly problems: unknown[] = [];
  /** Each task once: the clock of the process where it fails again may be another. */
  private readonly seen = new Set<string>();
  /** How many tasks the rate allows: those of a second at most, even if the queue was full for longer. */
  private allowance = 0;
  private askedAt = 0;

  constructor(
    private readonly list: (query: FailedTasksQuery) => Promise<TaskInfo[]>,
    private readonly act: (task: TaskInfo) => Promise<boolean>,
    private readonly clock: Clock,
    /** The maximum number of tasks per second. */
    private readonly rate = Number.POSITIVE_INFINITY,
  ) {}

  /** @returns for how many tasks the action succeeded */
  async run({ name, queue, before, error }: FailedFilter): Promise<number> {
    const startedAt = this.clock.now();
    this.askedAt = startedAt;
    // Tasks that fail from here on, perhaps again, are left alone: otherwise there might be no end.
    // A failure later than now is an old one: the clock was set back.
    const isLater = ({ at }: Position): boolean =>
      at >= wholeMs(startedAt) + 1 && at <= this.clock.now();
    let after: FailedTasksQuery['failed']['after'];
    let done = 0;
    for (;;) {
      const failed = { before, error, after, isOldestFirst: true };
      const page = await this.list({ status: 'failed', name, queue, limit: PAGE, failed });
      const last = page.at(-1);
      if (last === undefined) {
        return this.result(done);
      }
      after = positionOf(last);
      const there = page.filter((task) => !isLater(positionOf(task)) && !this.seen.has(task.id));
      there.forEach(({ id }) => this.seen.add(id));
      for (let from = 0; from < there.length;) {
        const slice = there.slice(from, from + (await this.allowed()));
        const results = await Promise.all(slice.map((task) => this.patiently(task)));
        done += results.filter(Boolean).length;
        from += slice.length;
        this.allowance -= slice.length;
      }
    }
  }

  /** Resolves to the number of tasks that the rate allows now, once there are any. */
  private async allowed(): Promise<number> {
    await turnOfTheLoop(); // in memory nothing else may wait
    if (this.rate === Number.POSITIVE_INFINITY) {
      return PAGE;
    }
    for (;;) {
      const now = this.clock.now();
      const earned = ((now - this.askedAt) * this.rate) / 1_000;
      this.askedAt = now;
      this.allowance = Math.min(this.allowance + earned, this.rate + 1);
      if (this.allowance >= 1) {
        return Math.min(Math.floor(this.allowance), PAGE);
      }
      await this.wait(Math.max(SLICE_MS, ((1 - this.allowance) * 1_000) / this.rate));
    }
  }

  private async patiently(task: TaskInfo): Promise<boolean> {
    for (;;) {
      try {
        return await this.act(task);
      } catch (error) {
        if (error instanceof ShutDownError || error instanceof StoreUnavailableError) {
          throw error;
        }
        if (!(error instanceof QueueFullError)) {
          this.problems.push(error);
          return false;
        }
        await this.wait(FULL_MS);
      }
    }
  }

  private result(done: number): number {
    const { problems } = this;
    if (problems.length === 0) {
      return done;
    }
    throw new AggregateError(
      problems,
      `Could not queue ${problems.length} of ${problems.length + done} failed tasks again; they stay in the ` +
        `list. The first error is: ${summaryOf(errorText(problems[0]))}`,
    );
  }

  private wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.clock.after(delayMs, resolve));
  }
}
