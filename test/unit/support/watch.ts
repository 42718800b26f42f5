import { expect } from '@jest/globals';
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
  handle: TaskHandle;
  isRunning: boolean;
  /** Whether the body of the latest attempt was called. */
  hasEntered: boolean;
  isSettled: boolean;
  /** How it ended the first time, which is what those behind it wait for. */
  firstEnd: (typeof SETTLED)[number] | undefined;
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

const countsOf = () => ({
  added: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
  dropped: 0,
  abandoned: 0,
  retried: 0,
});

/** Follows every task of an application by its events, and expects each promise to be kept. */
export class Watch {
  readonly lives = new Map<string, Life>();
  private readonly counts = new Map<string, ReturnType<typeof countsOf>>();
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
      this.counts.set(queue, countsOf());
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
      life.behind = undefined;
      life.isChained = false;
      life.ready = { ...life.ready, at: life.ready.at + life.delay };
    }
  }

  /** Called by each body, of itself. */
  enter(id: string, attempt: number): void {
    const life = this.lives.get(id);
    if (life === undefined || !life.isRunning || life.attempts !== attempt || life.hasEntered) {
      this.broken.push('a body ran that was not started, or twice');
    } else {
      life.hasEntered = true;
    }
  }

  setPaused(queue: string, isPaused: boolean): void {
    this.paused[isPaused ? 'add' : 'delete'](queue);
  }

  pendingIn(queue: string): number {
    return this.of(queue).filter(({ isRunning, isSettled }) => !isRunning && !isSettled).length;
  }

  /** What must hold whenever the application has come to rest for the moment. */
  async expectKept(): Promise<void> {
    expect(this.broken).toEqual([]);
    const { queues } = await this.app.runner.stats();
    for (const [queue, counts] of this.counts) {
      const lives = this.of(queue);
      const running = lives.filter(({ isRunning }) => isRunning).length;
      expect(queues[queue]).toMatchObject({
        ...counts,
        running,
        pending: this.pendingIn(queue),
      });
      this.expectBusy(queue, lives, running);
    }
  }

  /** What must hold when all is over. */
  async expectAllOver(): Promise<void> {
    await this.expectKept();
    const { queues, tasks } = await this.app.runner.stats();
    for (const figures of [...Object.values(queues), ...Object.values(tasks)]) {
      const settled = SETTLED.reduce((sum, status) => sum + figures[status], 0);
      expect([figures.added, figures.running, figures.pending]).toEqual([settled, 0, 0]);
    }
    for (const life of this.lives.values()) {
      const outcome = await life.handle.whenSettled();
      expect([life.isSettled, life.handle.status]).toEqual([true, outcome.status]);
    }
    this.expectInOrder();
    this.expectRates();
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
        break;
      case 'started':
        this.started(life, event.attempt, at);
        break;
      case 'retrying':
        this.stop(life, 'retrying');
        this.count(queue).retried += 1;
        life.ready = { at: at + event.delayMs, turn: this.turn++ };
        break;
      default:
        this.overflowed += event.type === 'dropped' && event.reason === 'overflow' ? 1 : 0;
        this.settled(life, event.type);
    }
  }

  private begin(id: string, queue: string, at: number): void {
    const known = this.lives.get(id);
    if (known?.isSettled === false) {
      this.broken.push('added twice');
    }
    this.count(queue).added += 1;
    this.lives.set(id, {
      queue,
      priority: 'normal',
      delay: 0,
      ...known,
      handle: known?.handle as TaskHandle,
      isRunning: false,
      hasEntered: false,
      isSettled: false,
      firstEnd: known?.firstEnd,
      attempts: 0,
      ready: { at, turn: this.turn++ },
    });
  }

  private started(life: Life, attempt: number, at: number): void {
    const { queue, key, dedupeKey, isChained, behind = [] } = life;
    const { concurrency, concurrencyPerKey } = this.limits[queue];
    const running = this.of(queue).filter(({ isRunning }) => isRunning);
    const breaks: [string, boolean][] = [
      ['started while it ran', life.isRunning],
      ['started after its end', life.isSettled],
      ['an attempt out of order', attempt !== life.attempts + 1],
      ['above concurrency', running.length >= concurrency],
      [
        'above concurrencyPerKey',
        key !== undefined &&
          running.filter((other) => other.key === key).length >= concurrencyPerKey,
      ],
      [
        'a duplicate',
        dedupeKey !== undefined && running.some((other) => other.dedupeKey === dedupeKey),
      ],
      ['started while paused', this.paused.has(queue)],
      [
        'started before one before it',
        behind.some((id) => this.lives.get(id)?.firstEnd === undefined),
      ],
      [
        'started without what it needs',
        isChained === true && behind.some((id) => this.lives.get(id)?.firstEnd !== 'completed'),
      ],
      ['started before its time', at < life.ready.at],
    ];
    this.broken.push(...breaks.flatMap(([what, isBroken]) => (isBroken ? [what] : [])));
    life.isRunning = true;
    life.hasEntered = false;
    life.attempts = attempt;
    this.startsAt.get(queue)?.push(at);
    if (life.behind === undefined) {
      this.starts.push({ group: `${queue} ${life.priority} ${key}`, ready: life.ready });
    }
  }

  private settled(life: Life, status: (typeof SETTLED)[number]): void {
    if (life.isSettled) {
      this.broken.push(`settled twice, then ${status}`);
    }
    const mustRun = status === 'completed' || status === 'failed';
    if (mustRun && !life.isRunning) {
      this.broken.push(`${status} without running`);
    }
    life.isRunning = false;
    life.isSettled = true;
    life.firstEnd ??= status;
    this.count(life.queue)[status] += 1;
  }

  private stop(life: Life, status: string): void {
    if (!life.isRunning) {
      this.broken.push(`${status} without running`);
    }
    life.isRunning = false;
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
    if (!isRated && !this.paused.has(queue) && waiting.length > 0) {
      expect(running).toBe(concurrency);
    }
  }

  /** First in, first out within a lane and key: by when each attempt was ready. */
  private expectInOrder(): void {
    const latest = new Map<string, Life['ready']>();
    for (const { group, ready } of this.starts) {
      const before = latest.get(group);
      if (before !== undefined) {
        expect(ready.at).toBeGreaterThanOrEqual(before.at);
      }
      latest.set(group, ready);
    }
  }

  private expectRates(): void {
    for (const [queue, startsAt] of this.startsAt) {
      const { rateLimit } = this.limits[queue];
      if (rateLimit !== undefined) {
        for (const [index, at] of startsAt.entries()) {
          const next = startsAt[index + rateLimit.max] ?? Number.POSITIVE_INFINITY;
          expect(next - at).toBeGreaterThanOrEqual(rateLimit.per);
        }
      }
    }
  }

  private of(queue: string): Life[] {
    return [...this.lives.values()].filter((life) => life.queue === queue);
  }

  private count(queue: string): ReturnType<typeof countsOf> {
    return this.counts.get(queue) ?? countsOf();
  }
}
