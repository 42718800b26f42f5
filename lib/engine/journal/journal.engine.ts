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

/** The time that a closing process takes beyond `drainTimeout` to release the journal, in milliseconds. */
const CLOSING_MS = 2_000;
const EVERYTHING: KeepLimits = {
  count: Number.POSITIVE_INFINITY,
  bytes: Number.POSITIVE_INFINITY,
  ageMs: Number.POSITIVE_INFINITY,
};

/** The memory engine with a journal on disk, from which unsettled tasks come back. */
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
  /** Tasks that were running at too many crashes of their process. */
  private readonly crashed = new WeakMap<Task, TaskCrashedError>();
  /** What an earlier process left behind, in the order added. */
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
    // Read now: at the start, the journal may already hold tasks of this process.
    this.left = this.store.takeOver(this.clockOfTasks.now());
    this.journal.continueAfter(this.left.at(-1));
  }

  /** Commits the task together with its schedule's pending record: a crash keeps both or neither. */
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

  /** Flushes the tasks of a request at once, together with those of all other waiting requests. */
  override commit(heads: readonly Task[], _isHeld?: boolean): Promise<void> | void {
    if (heads.length > 0) {
      return this.journal.commit(heads, this.refusal);
    }
  }

  /** Tests with a write, which fails if the disk is full, read-only or gone. */
  override ping(): Promise<void> {
    return this.patience.ask(
      (answer) => this.store.probe(answer),
      (error) => error,
    );
  }

  override discard(task: Task): void {
    super.discard(task);
    // This engine has stored its tasks of the request, but another engine could not store the rest.
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

  /** @throws Error if the task now belongs to a queue of another engine */
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
      return undefined; // one of them has a name that is unknown here: they stay together
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
