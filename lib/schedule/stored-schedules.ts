import { AsyncResource } from 'node:async_hooks';
import type { ScheduleStore } from '../engine/engine.js';
import { QueueFullError } from '../errors/queue-full.error.js';
import type { Clock } from '../task/clock.js';
import type { ScheduleOptions } from '../task/schedule-options.js';
import type { Task } from '../task/task.js';
import type { Schedule } from './schedule.js';
import { changed, decode, encode, isFormer, RECORD_VERSION, specOf } from './schedule-record.js';
import type { ScheduleRecord } from './schedule-record.js';
import { MOST_TICKS, ticksBetween, timingOf, type Timing } from './timing.js';

/** How often the records are read: other processes add, change and remove schedules. */
const POLL_MS = 10_000;
/** When a store that did not answer is asked again. */
const AGAIN_MS = 1_000;
/** How often a process marks its schedules as seen. */
const SEEN_MS = 30_000;
/** A schedule counts as gone when no process has had it for this long. */
const GONE_MS = 90_000;
/** How many ticks of a schedule are made before the others, and callers, have their turn. */
const TICKS_AT_ONCE = 100;

export interface StoredSchedulesHost {
  readonly store: ScheduleStore;
  readonly clock: Clock;
  /** Whether a method here has the name that a schedule added at run time calls. */
  readonly knows: (name: string) => boolean;
  /** Makes the task of such a schedule. */
  readonly restore: (queue: string, call: NonNullable<ScheduleRecord['call']>) => Task | undefined;
  readonly stored: (task: Task) => void;
  readonly notStored: (task: Task) => void;
  /** The task of a tick could not be made or added. */
  readonly tickFailed: (name: string, error: unknown) => void;
  readonly failed: (error: unknown) => void;
  readonly recovered: () => void;
  readonly missed: (name: string, count: number, policy: 'skip' | 'once' | 'all') => void;
}

interface Known {
  readonly text: string;
  readonly record: ScheduleRecord;
  /** The tick after `record.last`, or Infinity, once it has been asked for: to find it takes long. */
  next?: number;
}

/**
 * Schedules that are stored: each tick is made once, over all processes and starts. There is no
 * leader. The process that moves a record's `last` forward adds the task of the tick in the same
 * operation of the store. Ticks are due by the store's clock.
 */
export class StoredSchedules {
  private readonly own = new Map<string, Schedule>();
  private readonly timings = new Map<string, Timing>();
  private records = new Map<string, Known>();
  /** How far the store's clock is ahead of this process. */
  private aheadMs = 0;
  private startedAt = 0;
  private isStarted = false;
  private timer: (() => void) | undefined;
  private nextPollAt = 0;
  /** One operation at a time: each relies on the records as the one before has found them. */
  private underWay: Promise<unknown> = Promise.resolve();
  private isAwake = false;
  private readonly outside = new AsyncResource('Schedules', { requireManualDestroy: true });

  constructor(private readonly host: StoredSchedulesHost) {}

  /** A schedule in the code, maybe in that of a module that is loaded later. */
  declare(schedule: Schedule): void {
    this.own.set(schedule.name, schedule);
    this.nextPollAt = 0;
    this.wake();
  }

  /** Adds or changes a schedule at run time. A changed schedule has its ticks from now on. */
  async put(
    name: string,
    record: Pick<ScheduleRecord, 'options' | 'queue' | 'call'>,
  ): Promise<void> {
    await this.change(name, (known) => {
      const isSame =
        known !== undefined &&
        JSON.stringify([known.options, known.queue, known.call]) ===
          JSON.stringify([record.options, record.queue, record.call]);
      const now = this.now();
      return isSame ? known : { v: RECORD_VERSION, last: now, seen: now, ...record };
    });
    this.wake();
  }

  remove(name: string): Promise<boolean> {
    return this.change(name, () => undefined);
  }

  /** The records by name, each with its next tick, or Infinity. */
  all(): Promise<(readonly [name: string, record: ScheduleRecord, next: number])[]> {
    return this.inTurn(async () => {
      await this.load();
      return [...this.records].map(([name, { record }]) => [name, record, this.nextOf(name)]);
    });
  }

  start(): void {
    this.isStarted = true;
    this.wake();
  }

  /** Resolves when no operation of this process is under way in the store. */
  async stop(): Promise<void> {
    this.isStarted = false;
    this.timer?.();
    await this.underWay;
  }

  private wake(): void {
    if (this.isStarted && !this.isAwake) {
      this.isAwake = true;
      this.timer?.();
      void this.outside.runInAsyncScope(() => this.inTurn(() => this.work()));
    }
  }

  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.underWay.then(act);
    this.underWay = result.catch(() => undefined);
    return result;
  }

  private async work(): Promise<void> {
    try {
      const isAsked = this.host.clock.now() >= this.nextPollAt; // a timer may be early
      if (isAsked) await this.refresh();
      for (const name of this.records.keys()) {
        await this.passOver(name);
        await this.look(name);
        await this.tickAll(name);
      }
      if (isAsked) this.host.recovered();
    } catch (error) {
      this.nextPollAt = this.host.clock.now() + AGAIN_MS;
      this.records.clear();
      this.host.failed(error);
    } finally {
      this.isAwake = false;
      this.wait();
    }
  }

  private async refresh(): Promise<void> {
    await this.load();
    this.nextPollAt = this.host.clock.now() + POLL_MS;
    this.startedAt ||= this.now();
    for (const schedule of this.own.values()) {
      await this.register(schedule);
    }
  }

  private async load(): Promise<void> {
    const { store, clock } = this.host;
    const before = clock.now();
    const { now, records } = await store.load();
    this.aheadMs = now - (before + clock.now()) / 2;
    const former = this.records;
    this.records = new Map();
    for (const [name, text] of records) {
      const known = former.get(name);
      if (known?.text === text) {
        this.records.set(name, known);
        continue;
      }
      try {
        const record = decode(text);
        if (record !== undefined && this.timingIn(record.options, name)) {
          this.records.set(name, { text, record });
        }
      } catch {
        // Another program has written it.
      }
    }
  }

  /** The code overrides the record, unless the record is of a later version of the code. */
  private async register({ name, options, queue }: Schedule): Promise<void> {
    const spec = specOf(options);
    const now = this.now();
    const known = this.records.get(name)?.record;
    if (known === undefined) {
      await this.swap(name, { v: RECORD_VERSION, options, queue, last: now, seen: now });
    } else if (specOf(known.options) !== spec || known.queue !== queue || known.call) {
      const isOlder = isFormer(known, { options, queue }) && now - known.seen < GONE_MS;
      if (!isOlder) {
        await this.swap(name, changed(known, { options, queue }, now));
      }
    }
  }

  /** Handles the ticks that were missed while no process had the schedule. */
  private async passOver(name: string): Promise<void> {
    const known = this.records.get(name)?.record;
    const now = this.now();
    if (known === undefined || !this.isMine(name)) {
      return;
    }
    if (known.last - now >= GONE_MS) {
      // The clock was set back: it might take for ever to catch up.
      await this.swap(name, { ...known, last: now, seen: now, skipTo: undefined });
    }
    if (now - known.seen < GONE_MS) {
      return;
    }
    const ticks = ticksBetween(this.timingIn(known.options, name), known.last, now);
    if (ticks.length === 0) {
      return;
    }
    const { missed = 'skip' } = known.options;
    const task = missed === 'once' ? this.taskOf(name) : undefined;
    const isMore = ticks.length === MOST_TICKS;
    // With 'all' the ticks are made one by one from here on, maybe by another process.
    const after: ScheduleRecord =
      missed === 'all'
        ? { ...known, seen: now, ...(isMore && { skipFrom: ticks.at(-1), skipTo: now }) }
        : { ...known, last: now, seen: now };
    if (await this.swap(name, after, task)) {
      this.host.missed(name, ticks.length, missed); // otherwise another process has handled them
    }
  }

  /** Marks a schedule of this process as seen, and deletes one that no process has any more. */
  private async look(name: string): Promise<void> {
    const record = this.records.get(name)?.record;
    const now = this.now();
    if (record === undefined) {
      return;
    }
    if (this.isMine(name)) {
      if (now - record.seen >= SEEN_MS) {
        await this.swap(name, { ...record, seen: now });
      }
    } else if (
      record.call === undefined &&
      now - record.seen >= GONE_MS &&
      now - this.startedAt >= GONE_MS
    ) {
      await this.swap(name, undefined);
    }
  }

  private async tickAll(name: string): Promise<void> {
    for (let count = 0; count < TICKS_AT_ONCE && this.isStarted && this.isMine(name); count += 1) {
      const known = this.records.get(name)?.record;
      const tick = this.nextOf(name);
      const now = this.now();
      if (known === undefined || tick > now) {
        return;
      }
      const { skipFrom = Infinity, skipTo = 0, ...rest } = known;
      await (tick > skipFrom && tick <= skipTo
        ? this.swap(name, { ...rest, last: skipTo, seen: now })
        : this.swap(name, { ...known, last: tick, seen: now }, this.taskOf(name)));
    }
  }

  /** Whether this process makes the ticks: it can, and no other version of the code is in charge. */
  private isMine(name: string): boolean {
    const record = this.records.get(name)?.record;
    const own = this.own.get(name);
    if (own === undefined) {
      return record?.call !== undefined && this.host.knows(record.call.name);
    }
    return record !== undefined && specOf(record.options) === specOf(own.options);
  }

  /** If the task cannot be made, the tick passes without it and holds up no other schedule. */
  private taskOf(name: string): Task | undefined {
    const record = this.records.get(name)?.record;
    try {
      return (
        this.own.get(name)?.makeTask() ??
        (record?.call && this.host.restore(record.queue, record.call))
      );
    } catch (error) {
      this.host.tickFailed(name, error);
      return undefined;
    }
  }

  /**
   * If another process was first, its record is read at the next turn, with those of all others that
   * were changed meanwhile.
   *
   * @returns whether this one was first
   */
  private async swap(
    name: string,
    after: ScheduleRecord | undefined,
    task?: Task,
  ): Promise<boolean> {
    const before = this.records.get(name)?.text;
    const text = after && encode(after);
    let result: Awaited<ReturnType<ScheduleStore['swap']>> = 'stale';
    try {
      result = await this.host.store.swap(name, before, text, task);
    } catch (error) {
      if (!(error instanceof QueueFullError)) {
        throw error;
      }
      this.host.tickFailed(name, error);
      return this.swap(name, after); // without the task: the next tick will bring one
    } finally {
      if (task !== undefined) {
        (result === 'done' ? this.host.stored : this.host.notStored)(task);
      }
    }
    if (result === 'stale') {
      this.records.delete(name);
      this.nextPollAt = 0;
    } else if (after === undefined || text === undefined) {
      this.records.delete(name);
    } else {
      this.records.set(name, { text, record: after });
    }
    return result !== 'stale';
  }

  /** @returns whether there was a record */
  private change(
    name: string,
    next: (known: ScheduleRecord | undefined) => ScheduleRecord | undefined,
  ): Promise<boolean> {
    return this.inTurn(async () => {
      // What was read at the latest poll may do: the store tells if it is out of date.
      for (let isFresh = false; ; isFresh = true) {
        if (isFresh || !this.isStarted || this.startedAt === 0) {
          await this.load();
        }
        const known = this.records.get(name)?.record;
        const after = next(known);
        const isNone = known === undefined && after === undefined;
        const isAsKnown = after === known && isFresh;
        if (isAsKnown || (!isNone && (await this.swap(name, after)))) {
          if (after === undefined) this.own.delete(name); // not sooner: the store may refuse
          return known !== undefined;
        }
      }
    });
  }

  private wait(): void {
    if (!this.isStarted) {
      return;
    }
    const { clock } = this.host;
    const ticks = [...this.records.keys()].map((name) =>
      this.isMine(name) ? this.nextOf(name) : Infinity,
    );
    const tick = ticks.reduce((one, other) => Math.min(one, other), Infinity);
    const waitMs = Math.min(this.nextPollAt - clock.now(), tick - this.now());
    this.timer = this.outside.runInAsyncScope(() =>
      clock.after(Math.max(1, Math.min(waitMs, POLL_MS)), () => this.wake()),
    );
  }

  /** The next tick, or Infinity. */
  private nextOf(name: string): number {
    const known = this.records.get(name);
    return known === undefined
      ? Infinity
      : (known.next ??=
          this.timingIn(known.record.options, name).after(known.record.last) ?? Infinity);
  }

  private timingIn(options: ScheduleOptions, name: string): Timing {
    const spec = specOf(options);
    let timing = this.timings.get(spec);
    if (timing === undefined) {
      this.timings.set(spec, (timing = timingOf(options, `schedule "${name}"`)));
    }
    return timing;
  }

  private now(): number {
    return this.host.clock.now() + this.aheadMs;
  }
}
