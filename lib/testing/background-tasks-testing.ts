import { Logger } from '@nestjs/common';
import type { TestingModuleBuilder } from '@nestjs/testing';
import { ENGINE, type Engine, type EngineSetting, type Worker } from '../engine/engine.js';
import type { Duration } from '../index.js';
import {
  checkDuration,
  checkEach,
  checkOneOf,
  checkShape,
  checkString,
  type Shape,
} from '../options/checks.js';
import type { QueueSettings } from '../options/module-options.js';
import { ResolvedOptions } from '../options/resolved-options.js';
import { TaskWorker } from '../run/task-worker.js';
import { CLOCK, wholeMs } from '../task/clock.js';
import { milliseconds } from '../task/duration.js';
import type { Task } from '../task/task.js';
import type { AddedTask } from './added-task.js';
import { jsonCopy } from './json-copy.js';
import { KitClock } from './kit-clock.js';
import { KitEngine } from './kit.engine.js';
import { Ledger, type AttemptRecord } from './ledger.js';
import { ManualPace } from './manual-pace.js';
import type { TestingMode, TestingOptions } from './testing-options.js';
import { WantedTask, listOf, type Wanted } from './wanted-task.js';
import { realClock } from './real-clock.js';

const DEFAULT_PATIENCE: Duration = '4s';

const checkMode = checkOneOf('inline', 'manual', 'fake');
const checkQueues = checkEach(checkString);
const TESTING_SHAPE: Shape<TestingOptions> = {
  mode: checkMode,
  patience: checkDuration,
  durableQueues: (value, path) => value === true || checkQueues(value, path),
};

/** How long a running body may keep the clock from moving on, in real milliseconds. */
const HOLD_UP_MS = 50;

/**
 * Shows and controls the tasks of an application under test. Each application needs a kit of its
 * own.
 *
 * ```ts
 * const tasks = new BackgroundTasksTesting('manual');
 * const module = await tasks.install(Test.createTestingModule({ imports: [AppModule] })).compile();
 * const app = await module.createNestApplication().init();
 *
 * await request(app.getHttpServer()).post('/users').send({ name: 'Ada' }).expect(201);
 * tasks.expectAdded(Mailer, 'sendWelcome', ['Ada']);
 * await tasks.drain();
 * ```
 */
export class BackgroundTasksTesting {
  /** How tasks run. */
  readonly mode: TestingMode;
  private readonly clock: KitClock;
  private readonly pace: ManualPace | undefined;
  private readonly ledger = new Ledger(
    () => this.changed(),
    (task, error) => this.failed(task, error),
  );
  /** Tasks whose errors reach their callers. */
  private readonly awaited = new WeakSet<Task>();
  private readonly patienceMs: number;
  private readonly durableQueues: readonly string[] | true;
  private failures: unknown[] = [];
  private isHurrying = false;
  private isInstalled = false;

  /**
   * @param options a mode, or options with a mode
   * @throws InvalidOptionError
   */
  constructor(options: TestingMode | TestingOptions) {
    const given = typeof options === 'object' && options !== null ? options : { mode: options };
    checkShape<TestingOptions>(given, '', TESTING_SHAPE);
    const { mode, patience = DEFAULT_PATIENCE, durableQueues = [] } = given;
    checkMode(mode, 'mode');
    this.mode = mode;
    this.patienceMs = milliseconds(patience);
    this.durableQueues = durableQueues;
    this.clock = new KitClock(mode === 'inline', mode === 'manual');
    this.pace = mode === 'inline' ? undefined : new ManualPace(() => this.ledger.changed());
  }

  /**
   * Replaces the application's engine and clock.
   *
   * @param builder what `Test.createTestingModule()` returned, with `BackgroundTasksModule` among
   * its imports
   * @returns `builder`
   */
  install(builder: TestingModuleBuilder): TestingModuleBuilder {
    return builder
      .overrideProvider(CLOCK)
      .useValue(this.clock)
      .overrideProvider(ENGINE)
      .useFactory({
        inject: [ResolvedOptions, TaskWorker],
        factory: (...[options, worker]: [ResolvedOptions, Worker]) => {
          [this.durableQueues]
            .flat()
            .forEach((name) => name === true || options.requireQueue(name));
          this.isInstalled = true;
          return this.engineOf([...options.queues.values()], worker);
        },
      });
  }

  /** Every task that was added since the start or the last {@link clear}, in the order added. */
  get added(): readonly AddedTask[] {
    return [...this.ledger.added];
  }

  /** Whole milliseconds since the epoch, on the kit's clock. */
  now(): number {
    return wholeMs(this.clock.now());
  }

  /**
   * Expects that the task was added. `args` are compared deeply and may contain
   * `expect.any(String)` and the like.
   *
   * @param type the class of a `@Background()` method
   * @param method the name of the method
   * @param args the arguments of the call; by default any
   * @returns the first such task
   * @throws Error that lists the tasks that were added instead
   */
  expectAdded(type: { readonly prototype: object }, method: string, args?: unknown[]): AddedTask;
  /**
   * Expects that the task was added.
   *
   * @param task the function, or the name of the task
   * @param args the arguments of the call; by default any
   * @returns the first such task
   * @throws Error that lists the tasks that were added instead
   */
  expectAdded(task: ((...args: never[]) => unknown) | string, args?: unknown[]): AddedTask;
  expectAdded(...wanted: unknown[]): AddedTask {
    this.requireInstalled();
    const { added } = this.ledger;
    const task = new WantedTask(wanted as unknown as Wanted);
    const found = added.find((each) => task.fits(each));
    if (found === undefined) {
      const instead =
        added.length === 0 ? 'No task was added.' : `Added instead:\n${listOf(added)}`;
      throw new Error(`Expected the task ${task.toString()} to have been added. ${instead}`);
    }
    return found;
  }

  /**
   * Expects that no such task was added.
   *
   * @param type the class of a `@Background()` method
   * @param method the name of the method
   * @param args the arguments of the call; by default any
   * @throws Error that lists the tasks that were added
   */
  expectNone(type: { readonly prototype: object }, method: string, args?: unknown[]): void;
  /**
   * Expects that no such task was added, or no task at all.
   *
   * @param task the function, or the name of the task; by default any
   * @param args the arguments of the call; by default any
   * @throws Error that lists the tasks that were added
   */
  expectNone(task?: ((...args: never[]) => unknown) | string, args?: unknown[]): void;
  expectNone(...wanted: unknown[]): void {
    this.requireInstalled();
    const task = wanted.length === 0 ? undefined : new WantedTask(wanted as unknown as Wanted);
    const found = this.ledger.added.filter((each) => task?.fits(each) ?? true);
    if (found.length > 0) {
      const what = task === undefined ? 'no task' : `no task ${task.toString()}`;
      throw new Error(`Expected ${what} to have been added. Added:\n${listOf(found)}`);
    }
  }

  /** Empties {@link added}. Tasks that wait or run are not affected. */
  clear(): void {
    this.ledger.added = [];
    this.failures = [];
  }

  /**
   * Resolves when the responses of all requests that added tasks have closed and, in mode `'inline'`,
   * every task has settled.
   *
   * @throws the error of a task that failed in mode `'inline'` (an AggregateError of several),
   * unless it reached the caller of its method
   */
  async whenIdle(): Promise<void> {
    await this.until(() => this.isIdle);
    const failures = this.failures;
    this.failures = [];
    if (failures.length > 1) {
      throw new AggregateError(failures, `${failures.length} background tasks failed.`);
    }
    if (failures.length === 1) {
      throw failures[0];
    }
  }

  /**
   * Mode `'manual'`: runs all due tasks, and those that they add, until none is due. Delayed tasks
   * and retries wait for {@link advance}. The promise does not reject when a task fails.
   *
   * @returns the attempts that were made
   */
  async drain(): Promise<readonly AttemptRecord[]> {
    const pace = this.requirePace('drain()');
    const begun = this.ledger.attempts.length;
    await this.released();
    pace.allow(Number.POSITIVE_INFINITY);
    try {
      do {
        await this.until(() => this.isAtRest);
        await nextTurn();
      } while (!this.isAtRest);
    } finally {
      pace.stop();
    }
    return this.ledger.attempts.slice(begun);
  }

  /**
   * Mode `'manual'`: makes one attempt of the task whose turn it is.
   *
   * @returns the attempt, or `undefined` if no task is due
   */
  async runNext(): Promise<AttemptRecord | undefined> {
    const pace = this.requirePace('runNext()');
    await this.released();
    const { ledger } = this;
    const { starts } = ledger;
    const before = new Set(ledger.attempts);
    const underWay = new Set(ledger.running);
    pace.allow(1);
    pace.stop();
    if (ledger.starts === starts) {
      return undefined;
    }
    const started = [...ledger.running].find((task) => !underWay.has(task));
    await this.until(() => started === undefined || !ledger.running.has(started));
    return ledger.attempts.find(
      (each) => !before.has(each) && (started === undefined || each.id === started.id),
    );
  }

  /**
   * Moves the kit's clock forward, past the end of delays, retry waits, timeouts and windows. In
   * mode `'manual'` due tasks run; in mode `'fake'` none does.
   *
   * @param duration milliseconds or a string such as `'30s'`
   */
  async advance(duration: Duration): Promise<void> {
    checkDuration(duration, 'advance(duration)');
    const end = this.clock.now() + milliseconds(duration);
    if (this.mode !== 'manual') {
      this.clock.moveTo(end);
      return this.mode === 'inline' ? this.whenIdle() : undefined;
    }
    const pace = this.requirePace('advance()');
    await this.released();
    const before = new Set(this.ledger.running);
    pace.allow(Number.POSITIVE_INFINITY);
    try {
      for (;;) {
        await this.rested(before);
        const { next } = this.clock;
        if (next === undefined || next > end) {
          break;
        }
        this.clock.moveTo(next);
      }
      this.clock.moveTo(end);
      await this.rested(before);
    } finally {
      pace.stop();
    }
  }

  private get isIdle(): boolean {
    const { collected, released } = this.ledger;
    return collected.size === 0 && (this.mode !== 'inline' || released.size === 0);
  }

  private get isAtRest(): boolean {
    const { running, collected } = this.ledger;
    return running.size === 0 && collected.size === 0 && this.pace?.isBlocked !== true;
  }

  /**
   * Resolves when all due tasks have run. A body with a timeout, or one that began `before`, may be
   * waiting for the clock, and holds it up for a moment only.
   */
  private async rested(before: ReadonlySet<Task>): Promise<void> {
    const { running } = this.ledger;
    const isStuck = (task: Task): boolean =>
      task.settings.timeoutMs !== undefined || before.has(task);
    await nextTurn();
    do {
      await this.until(() => [...running].every(isStuck) && this.pace?.isBlocked !== true);
      const held = this.until(() => running.size === 0, HOLD_UP_MS);
      await held.catch(() => undefined);
      await nextTurn();
    } while (![...running].every(isStuck) || this.pace?.isBlocked === true);
  }

  private released(): Promise<void> {
    return this.until(() => this.ledger.collected.size === 0);
  }

  private until(isMet: () => boolean, limitMs = this.patienceMs): Promise<void> {
    return this.ledger.until(isMet, limitMs, () => {
      const { added, collected, running } = this.ledger;
      const unsettled = added.filter(({ outcome }) => outcome === undefined);
      const hint =
        running.size > 0
          ? 'A running task does not end. If it waits for the clock, call advance() meanwhile.'
          : collected.size > 0
            ? 'A collected task waits until the response of its request closes.'
            : 'Did the application start? Call app.init() or module.init().';
      return `The background tasks are not idle after ${limitMs} ms. ${hint}\n${listOf(unsettled)}`;
    });
  }

  private failed(task: Task, error: unknown): void {
    if (this.mode === 'inline' && !this.awaited.has(task)) {
      this.failures.push(error);
    }
  }

  private changed(): void {
    if (this.mode === 'inline' && !this.isHurrying) {
      this.isHurrying = true;
      void this.hurry();
    }
  }

  /** Inline, no task waits for time: whenever none runs, the clock moves on to the next timer. */
  private async hurry(): Promise<void> {
    const { ledger, clock } = this;
    for (;;) {
      // One turn in which released tasks start, another for what they leave behind.
      await nextTurn();
      await nextTurn();
      if (ledger.running.size > 0 || ledger.released.size === 0 || clock.next === undefined) {
        break;
      }
      clock.moveTo(clock.next);
    }
    this.isHurrying = false;
  }

  private engineOf(queues: readonly QueueSettings[], worker: Worker): KitEngine {
    const { clock, ledger, pace, awaited } = this;
    const logger = new Logger('BackgroundTasks');
    const setting: EngineSetting = { queues, worker, clock, logger };
    const configured = new Map<string, Engine>();
    for (const factory of new Set(queues.flatMap(({ engine }) => engine ?? []))) {
      const own = queues.filter(({ engine }) => engine === factory);
      const engine = factory.create({ ...setting, queues: own });
      own.forEach(({ name }) => configured.set(name, engine));
    }
    return new KitEngine(setting, {
      clock,
      ledger,
      pace,
      awaited,
      configured,
      storeArgs: (task) => (this.isDurable(task) ? jsonCopy(task) : task.args),
    });
  }

  private isDurable({ queue }: Task): boolean {
    return this.durableQueues === true || this.durableQueues.includes(queue);
  }

  private requirePace(call: string): ManualPace {
    if (this.pace === undefined || this.mode !== 'manual') {
      const why =
        this.mode === 'fake' ? 'no task ever runs' : 'tasks run by themselves: await whenIdle()';
      throw new Error(`${call} needs mode 'manual'. In mode '${this.mode}' ${why}.`);
    }
    this.requireInstalled();
    return this.pace;
  }

  /** A kit without an application would report that no task was added, and tests would pass. */
  private requireInstalled(): void {
    if (!this.isInstalled) {
      throw new Error(
        'This BackgroundTasksTesting is in no application: pass what Test.createTestingModule() ' +
          'returned to install(), and compile it.',
      );
    }
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => realClock.soon(resolve));
}
