import type { LoggerService } from '@nestjs/common';
import { StoreUnavailableError, TaskCrashedError } from '../../errors/storage.errors.js';
import type { Clock } from '../../task/clock.js';
import { admitAll, join, lineUp } from '../../task/line.js';
import { readArgs } from '../../task/stored-call.js';
import type { Chain, Task } from '../../task/task.js';
import { LEFT } from '../../task/verdict.js';
import type { EngineSetting, EngineSupport, KeepLimits, Restore } from '../engine.js';
import type { End } from '../memory/ledger.js';
import { MemoryEngine, SUPPORT } from '../memory/memory.engine.js';
import { storedTasksOf, type DeadLetter } from './dead-letter.js';
import { DeadLetters } from './dead-letters.js';
import { JournalLedger } from './journal-ledger.js';
import type { JournalRecord } from './journal-record.js';
import type { JournalSettings } from './journal-options.js';
import { JournalSchedules } from './journal-schedules.js';
import { JournalStore } from './journal-store.js';
import { Leftovers } from './leftovers.js';
import { Patience } from '../patience.js';

/** What a process that shuts down takes besides `drainTimeout`, until it lets go of the journal. */
const CLOSING_MS = 2_000;
const EVERYTHING: KeepLimits = {
  count: Number.POSITIVE_INFINITY,
  bytes: Number.POSITIVE_INFINITY,
  ageMs: Number.POSITIVE_INFINITY,
};

/** The memory engine with a journal: what has not settled is on disk, and comes back. */
export class JournalEngine extends MemoryEngine {
  private readonly store: JournalStore;
  private readonly journal: JournalLedger;
  private readonly settings: JournalSettings;
  protected override readonly support: EngineSupport;
  private readonly logger: LoggerService;
  private readonly patience: Patience;
  private readonly lockPatienceMs: number;
  private readonly clockOfTasks: Clock;
  readonly kept: DeadLetters;
  /** Found running too often when their process died. */
  private readonly crashed = new WeakMap<Task, TaskCrashedError>();
  /** What a former process has left, in the order in which it was added. */
  private left: readonly JournalRecord[] = [];
  private restore: Restore = () => [];

  constructor(
    setting: EngineSetting,
    settings: JournalSettings,
    store = new JournalStore(settings.path, setting.queues[0]?.name),
  ) {
    const { clock, logger } = setting;
    const patience = new Patience(clock, settings.commitTimeoutMs);
    const onFailed = (letter: DeadLetter): void => this.kept.bury(letter);
    const ledger = new JournalLedger(store, patience, settings.maxStarts, clock, logger, onFailed);
    super(setting, ledger);
    this.clockOfTasks = clock;
    this.kept = new DeadLetters(store, setting.keep ?? EVERYTHING, clock, {
      revive: (letter) => this.revive(letter),
      written: () => ledger.commit([], this.refusal),
      readArgs: (text) => readArgs(text, settings.storage),
    });
    this.store = store;
    this.journal = ledger;
    this.settings = settings;
    const schedules = new JournalSchedules(store, clock, (task) => this.addScheduled(task));
    this.support = { ...SUPPORT, engine: 'journal', storage: settings.storage, schedules };
    this.logger = logger;
    this.patience = patience;
    this.lockPatienceMs = (setting.drainTimeoutMs ?? 0) + CLOSING_MS;
  }

  override async open(restore: Restore): Promise<void> {
    this.restore = restore;
    await this.store.open(this.logger, this.lockPatienceMs);
    // Read now: by the time of its start the journal may hold tasks of this process, too.
    this.left = this.store.takeOver(this.clockOfTasks.now());
    this.journal.continueAfter(this.left.at(-1));
  }

  /** With the record of its schedule, which waits to be written: a crash finds both or none. */
  private async addScheduled(task: Task | undefined): Promise<'done' | 'duplicate'> {
    const key = task?.keys?.dedupe;
    if (task === undefined || (key !== undefined && this.duplicateOf(key) !== undefined)) {
      await this.journal.commit([], this.refusal);
      return task === undefined ? 'done' : 'duplicate';
    }
    this.admit(task);
    task.isCommitted = true;
    try {
      await this.commit([task]);
    } catch (error) {
      this.discard(task);
      throw error;
    }
    void this.release(task);
    return 'done';
  }

  /** The tasks of a request in one flush, shared with all other requests that wait for one. */
  override commit(heads: readonly Task[], _isHeld?: boolean): Promise<void> | void {
    if (heads.length > 0) {
      return this.journal.commit(heads, this.refusal);
    }
  }

  /** By a write: a disk that is full, read-only or gone takes none. */
  override ping(): Promise<void> {
    return this.patience.ask(
      (answer) => this.store.probe(answer),
      (error) => error,
    );
  }

  override discard(task: Task): void {
    super.discard(task);
    // Another engine's share of the request could not be stored, and this one's was.
    this.journal.forget(task);
  }

  override async start(): Promise<void> {
    this.store.started();
    const leftovers = new Leftovers(this.left, (task) => this.checkOrLeave(task));
    const givenUp = this.left.filter(({ starts }) => starts >= this.settings.maxStarts).length;
    this.left = [];
    for (const { tasks, recordOf } of leftovers.restore(this.restore)) {
      for (const task of tasks) {
        const record = recordOf(task);
        if (record.starts >= this.settings.maxStarts) {
          this.crashed.set(task, new TaskCrashedError(task.name, record.starts, givenUp - 1));
        }
      }
      const head = lineUp(tasks);
      if (head !== undefined) {
        this.takeBack(head, (task) => recordOf(task).dueAt);
      }
    }
    for (const line of leftovers.problems(this.settings.path)) {
      this.logger.error(line);
    }
    for (const { error } of this.store.unreadable) {
      this.logger.error(error.message);
    }
    await super.start();
  }

  override async close(): Promise<void> {
    await super.close();
    const { path } = this.settings;
    try {
      await this.patience.wait(this.store.close());
    } catch (error) {
      this.logger.error(`The journal ${path} could not be closed: ${String(error)}`);
    }
  }

  /** @throws Error where the task's queue, which it was not added to, is another engine's */
  private check(task: Task): void {
    if (!this.keeps(task)) {
      throw new Error(`Queue "${task.queue}" is not kept in this journal`);
    }
  }

  private checkOrLeave(task: Task): void {
    try {
      this.check(task);
    } catch (error) {
      this.worker.announce(task, LEFT);
      throw error;
    }
  }

  /** @throws StoreUnavailableError, QueueFullError, ShutDownError */
  private async revive(letter: DeadLetter): Promise<Task | undefined> {
    const stored = storedTasksOf(letter);
    const tasks = this.restore(stored);
    const [task] = tasks;
    if (task === undefined || tasks.length < stored.length) {
      tasks.forEach((each) => this.worker.announce(each, LEFT));
      return undefined; // of one of them nobody knows the name here: they stay together
    }
    try {
      admitAll(
        tasks,
        (each) => {
          this.check(each);
          this.admit(each, true);
        },
        (each) => super.discard(each),
      );
    } catch (error) {
      tasks.forEach((each) => this.worker.announce(each, LEFT));
      throw error;
    }
    if (tasks.length > 1) {
      const chain: Chain = {};
      tasks.forEach((each) => join(chain, each));
      lineUp(tasks);
    }
    try {
      await this.journal.revive(task, letter, this.refusal);
    } catch (error) {
      for (const each of tasks) {
        super.discard(each);
        this.worker.announce(each, { kind: 'dropped', reason: 'not-stored' });
      }
      throw error;
    }
    void this.release(task);
    return task;
  }

  private readonly refusal = (cause: Error): Error =>
    new StoreUnavailableError(`The journal ${this.settings.path}`, { cause });

  protected override endOf(task: Task): End | undefined {
    const end = super.endOf(task);
    if (end !== undefined) {
      return end;
    }
    const error = this.crashed.get(task);
    return error === undefined ? undefined : { kind: 'failed', error };
  }
}
