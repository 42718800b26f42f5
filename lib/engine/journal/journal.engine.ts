import { randomUUID } from 'node:crypto';
import type { LoggerService } from '@nestjs/common';
import { StoreUnavailableError, TaskCrashedError } from '../../errors/storage.errors.js';
import type { TaskStorage } from '../../task/stored-call.js';
import type { Task } from '../../task/task.js';
import type { EngineSetting, Restorer } from '../engine.js';
import type { End } from '../memory/ends.js';
import { MemoryEngine } from '../memory/memory.engine.js';
import { JournalLedger } from './journal-ledger.js';
import type { JournalSettings } from './journal-options.js';
import { JournalStore } from './journal-store.js';
import { Leftovers } from './leftovers.js';
import { Patience } from '../patience.js';

/** The memory engine with a journal: what has not settled is on disk, and comes back. */
export class JournalEngine extends MemoryEngine {
  private readonly store: JournalStore;
  private readonly journal: JournalLedger;
  private readonly settings: JournalSettings;
  private readonly logger: LoggerService;
  private readonly patience: Patience;
  /** Found running too often when their process died. */
  private readonly crashed = new Map<Task, TaskCrashedError>();

  constructor(
    setting: EngineSetting,
    settings: JournalSettings,
    store = new JournalStore(settings.path),
  ) {
    const { clock, logger } = setting;
    const patience = new Patience(clock, settings.commitTimeoutMs);
    const ledger = new JournalLedger(store, patience, settings.maxStarts, clock, logger);
    super(setting, ledger);
    this.store = store;
    this.journal = ledger;
    this.settings = settings;
    this.logger = logger;
    this.patience = patience;
  }

  override storageOf(): TaskStorage {
    return this.settings.storage;
  }

  override open(): Promise<void> {
    return this.store.open();
  }

  /** The tasks of a request in one flush, shared with all other requests that wait for one. */
  override commit(tasks: readonly Task[]): Promise<void> | void {
    return tasks.length === 0 ? undefined : this.write(tasks);
  }

  override discard(task: Task): void {
    super.discard(task);
    const { knownId } = task;
    if (knownId !== undefined) {
      // Another engine's share of the request could not be stored, and this one's was.
      this.journal.forget(knownId);
    }
  }

  override async start(restorer: Restorer): Promise<void> {
    const leftovers = new Leftovers(this.store.all());
    for (const { tasks, recordOf } of leftovers.restore(restorer)) {
      for (const task of tasks) {
        const record = recordOf(task);
        this.journal.adopt(task, record);
        if (record.isDead || record.starts >= this.settings.maxStarts) {
          this.journal.bury(task);
          this.crashed.set(task, new TaskCrashedError(task.name, record.starts));
        }
      }
      for (const head of restorer.line(tasks)) {
        this.takeBack(head, (task) => recordOf(task).dueAt);
      }
    }
    for (const line of leftovers.problems(this.settings.path)) {
      this.logger.error(line);
    }
    await super.start(restorer);
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

  private write(tasks: readonly Task[]): Promise<void> {
    const group = tasks.length === 1 ? undefined : randomUUID();
    return this.journal.commit(tasks, group).catch((cause: unknown) => {
      throw new StoreUnavailableError(`The journal ${this.settings.path}`, { cause });
    });
  }

  protected override endOf(task: Task): End | undefined {
    const end = super.endOf(task);
    const error = end === undefined ? this.crashed.get(task) : undefined;
    this.crashed.delete(task);
    return error === undefined ? end : { kind: 'failed', error };
  }
}
