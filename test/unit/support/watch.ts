import type { Priority, TaskEvent, TaskHandle } from '../../../lib/index.js';
import type { App } from './app.js';

/** What a queue of the watched application allows. */
export interface WatchedLimits {
  readonly concurrency: number;
  readonly concurrencyPerKey: number;
  readonly rateLimit?: { readonly max: number; readonly per: number };
  readonly maxPending: number;
  readonly overflow: 'reject' | 'drop-oldest';
}

/** What is known of a task from who added it. */
export interface WatchedTask {
  readonly queue: string;
  readonly priority: Priority;
  readonly key?: string;
  readonly dedupeKey?: string;
  readonly delay: number;
  /** Those of its request that it waits for, and whether it needs all of them to complete. */
  readonly behind?: readonly string[];
  readonly isChained?: boolean;
}

interface Life extends Mutable<WatchedTask> {
  /** It came back with the task of its chain that was retried: its handle told of its first end. */
  isBack?: boolean;
  handle: TaskHandle;
  isRunning: boolean;
  /** Whether the body of the latest attempt was called. */
  hasEntered: boolean;
  isSettled: boolean;
  /** How it ended the first time, which is what those behind it wait for. */
  firstEnd: (typeof SETTLED)[number] | undefined;
  /** Those behind it in its chain may run: it has completed, or another task does its work. */
  isEnough: boolean;
  attempts: number;
  /** From when it could have started: the time, and its place among those of the same time. */
  ready: { readonly at: number; readonly turn: number };
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

interface Start {
  readonly group: string;
  readonly ready: Life['ready'];
}

const SETTLED = ['completed', 'failed', 'cancelled', 'dropped', 'abandoned'] as const;
const FIGURES = ['added', 'retried', ...SETTLED] as const;

/** Follows every task of an application by its events, and expects each promise to be kept. */
export class Watch {
  readonly lives = new Map<string, Life>();
  /** What has happened in each queue, in the words of the statistics. */
  private readonly happened = new Map<string, (typeof FIGURES)[number][]>();
  private readonly startsAt = new Map<string, number[]>();
  private readonly starts: Start[] = [];
  private readonly paused = new Set<string>();
  private readonly broken: string[] = [];
  private turn = 0;
  overflowed = 0;

  constructor(
    private readonly app: App,
    private readonly limits: Readonly<Record<string, WatchedLimits>>,
  ) {
    for (const queue of Object.keys(limits)) {
      this.happened.set(queue, []);
      this.startsAt.set(queue, []);
    }
    app.runner.events.subscribe((event) => this.hear(event));
  }

  /** Tells of a task that was added: nothing of it has started by then. */
  know(handle: TaskHandle, task: WatchedTask): void {
    const life = this.lives.get(handle.id);
    if (life !== undefined) {
      Object.assign(life, task, { handle });
      if (task.delay > 0) {
        life.ready = { ...life.ready, at: this.app.clock.now() + task.delay };
      }
    }
  }

  /** Tells of a failed task that was added again. */
  again(handle: TaskHandle): void {
    const life = this.lives.get(handle.id);
    if (life !== undefined) {
      life.handle = handle;
      life.isBack = false;
      life.behind = undefined;
      life.isChained = false;
      life.ready = { ...life.ready, at: life.ready.at + life.delay };
    }
  }

  /** Called by each body, of itself. */
  enter(id: string, attempt: number): void {
    const life = this.lives.get(id);
    const isDue = life?.isRunning === true && life.attempts === attempt && !life.hasEntered;
    this.expect(isDue, 'a body that was not started, or twice');
    if (life !== undefined) {
      life.hasEntered = true;
    }
  }

  setPaused(queue: string, isPaused: boolean): void {
    this.paused[isPaused ? 'add' : 'delete'](queue);
  }

  pendingIn(queue: string): number {
    return this.of(queue).filter(({ isRunning, isSettled }) => !isRunning && !isSettled).length;
  }

  /** Which promises are broken, now that nothing more happens by itself for the moment. */
  async brokenNow(): Promise<readonly string[]> {
    const { queues } = await this.app.runner.stats();
    for (const [queue, happened] of this.happened) {
      const lives = this.of(queue);
      const running = lives.filter(({ isRunning }) => isRunning).length;
      for (const figure of FIGURES) {
        const count = happened.filter((each) => each === figure).length;
        this.expect(queues[queue][figure] === count, `wrong: ${figure}`);
      }
      this.expect(queues[queue].running === running, 'wrong: running');
      this.expect(queues[queue].pending === this.pendingIn(queue), 'wrong: pending');
      this.expectBusy(queue, lives, running);
    }
    return this.broken;
  }

  /** Which promises are broken, now that all is over. */
  async brokenInAll(): Promise<readonly string[]> {
    await this.brokenNow();
    const { queues, tasks } = await this.app.runner.stats();
    for (const figures of [...Object.values(queues), ...Object.values(tasks)]) {
      const settled = SETTLED.reduce((sum, status) => sum + figures[status], 0);
      this.expect(figures.added === settled, 'counters that do not add up');
    }
    for (const { handle, isBack = false, isSettled, attempts } of this.lives.values()) {
      const { outcome } = (await this.app.runner.get(handle.id)) ?? {};
      this.expect(isSettled && outcome !== undefined, 'a task that never ends');
      const { status } = await handle.whenSettled();
      this.expect(isBack || outcome?.status === status, 'a handle with an end of its own');
      const counted = outcome !== undefined && 'attempts' in outcome ? outcome.attempts : attempts;
      this.expect(counted === attempts, 'attempts that do not add up');
    }
    this.expectInOrder();
    this.expectRates();
    return this.broken;
  }

  private expect(isKept: boolean, promise: string): void {
    if (!isKept) {
      this.broken.push(promise);
    }
  }

  private hear(event: TaskEvent): void {
    const { id, queue, at } = event;
    if (event.type === 'added') {
      this.begin(id, queue, at);
    }
    const life = this.lives.get(id);
    if (life === undefined) {
      this.broken.push(`${event.type} of a stranger`);
      return;
    }
    switch (event.type) {
      case 'added':
      case 'queued':
      case 'progress':
      case 'fell-back':
        break;
      case 'started':
        this.started(life, event.attempt, at);
        break;
      case 'retrying':
        this.expect(life.isRunning, 'retrying without running');
        life.isRunning = false;
        this.happened.get(queue)?.push('retried');
        life.ready = { at: at + event.delayMs, turn: this.turn++ };
        break;
      default:
        this.overflowed += event.type === 'dropped' && event.reason === 'overflow' ? 1 : 0;
        life.isEnough ||=
          event.type === 'completed' || (event.type === 'dropped' && event.reason === 'duplicate');
        this.settled(life, event.type);
    }
  }

  private begin(id: string, queue: string, at: number): void {
    const known = this.lives.get(id);
    this.expect(known?.isSettled !== false, 'added twice');
    this.happened.get(queue)?.push('added');
    this.lives.set(id, {
      queue,
      priority: 'normal',
      delay: 0,
      ...known,
      handle: known?.handle as TaskHandle,
      isBack: known !== undefined,
      isRunning: false,
      hasEntered: false,
      isSettled: false,
      firstEnd: known?.firstEnd,
      isEnough: known?.isEnough ?? false,
      attempts: 0,
      ready: { at, turn: this.turn++ },
    });
  }

  private started(life: Life, attempt: number, at: number): void {
    const { queue, key, dedupeKey, isChained, behind = [] } = life;
    const { concurrency, concurrencyPerKey } = this.limits[queue];
    const running = this.of(queue).filter(({ isRunning }) => isRunning);
    const ofKey = running.filter((other) => other.key === key).length;
    const ofDedupe = running.some((other) => other.dedupeKey === dedupeKey);
    const ends = behind.map((id) => this.lives.get(id));
    const breaks: [promise: string, isBroken: boolean][] = [
      ['started while it ran', life.isRunning],
      ['started after its end', life.isSettled],
      ['an attempt out of order', attempt !== life.attempts + 1],
      ['above concurrency', running.length >= concurrency],
      ['above concurrencyPerKey', key !== undefined && ofKey >= concurrencyPerKey],
      ['a duplicate', dedupeKey !== undefined && ofDedupe],
      ['started while paused', this.paused.has(queue)],
      ['started before one before it', ends.some((end) => end?.firstEnd === undefined)],
      ['started without what it needs', isChained === true && !ends.every((end) => end?.isEnough)],
      ['started before its time', at < life.ready.at],
    ];
    breaks.forEach(([promise, isBroken]) => this.expect(!isBroken, promise));
    life.isRunning = true;
    life.hasEntered = false;
    life.attempts = attempt;
    this.startsAt.get(queue)?.push(at);
    if (life.behind === undefined) {
      this.starts.push({ group: `${queue} ${life.priority} ${key}`, ready: life.ready });
    }
  }

  private settled(life: Life, status: (typeof SETTLED)[number]): void {
    const mustRun = status === 'completed' || status === 'failed';
    this.expect(!life.isSettled, `settled twice, then ${status}`);
    this.expect(life.isRunning || !mustRun, `${status} without running`);
    life.isRunning = false;
    life.isSettled = true;
    life.firstEnd ??= status;
    this.happened.get(life.queue)?.push(status);
  }

  /** No slot is free while a task waits that nothing else holds up. */
  private expectBusy(queue: string, lives: readonly Life[], running: number): void {
    const { concurrency, rateLimit } = this.limits[queue];
    const now = this.app.clock.now();
    const isRated =
      rateLimit !== undefined &&
      (this.startsAt.get(queue) ?? []).filter((at) => at + rateLimit.per > now).length >=
        rateLimit.max;
    const waiting = lives.filter(
      ({ key, behind, handle }) =>
        key === undefined && behind === undefined && handle.status === 'queued',
    );
    const isHeldUp = isRated || this.paused.has(queue) || running === concurrency;
    this.expect(waiting.length === 0 || isHeldUp, 'a slot that nobody uses');
  }

  /** First in, first out within a lane and key: by when each attempt was ready. */
  private expectInOrder(): void {
    const latest = new Map<string, Life['ready']>();
    for (const { group, ready } of this.starts) {
      const before = latest.get(group);
      const isAhead = before !== undefined && before.at > ready.at;
      this.expect(!isAhead, 'out of order');
      latest.set(group, ready);
    }
  }

  private expectRates(): void {
    for (const [queue, startsAt] of this.startsAt) {
      const { rateLimit } = this.limits[queue];
      if (rateLimit !== undefined) {
        for (const [index, at] of startsAt.entries()) {
          const next = startsAt[index + rateLimit.max] ?? Number.POSITIVE_INFINITY;
          this.expect(next - at >= rateLimit.per, 'above the rate');
        }
      }
    }
  }

  private of(queue: string): Life[] {
    return [...this.lives.values()].filter((life) => life.queue === queue);
  }
}
