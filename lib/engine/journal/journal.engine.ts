import { randomUUID } from 'node:crypto';
import type { LoggerService } from '@nestjs/common';
import { StoreUnavailableError, TaskCrashedError } from '../../errors/storage.errors.js';
import type { Clock } from '../../task/clock.js';
import type { TaskStorage } from '../../task/stored-call.js';
import type { Task } from '../../task/task.js';
import type { EngineSetting, Restorer } from '../engine.js';
import { MemoryEngine } from '../memory/memory.engine.js';
import { JournalLedger } from './journal-ledger.js';
import type { JournalSettings } from './journal-options.js';
import type { JournalRecord } from './journal-record.js';
import { JournalStore } from './journal-store.js';

/** The memory engine with a journal: what has not settled is on disk, and comes back. */
export class JournalEngine extends MemoryEngine {
  private readonly store: JournalStore;
  private readonly journal: JournalLedger;
  private readonly settings: JournalSettings;
  private readonly logger: LoggerService;
  private readonly time: Clock;

  constructor(setting: EngineSetting, settings: JournalSettings) {
    const store = new JournalStore(settings.path);
    const ledger = new JournalLedger(store, setting.clock, setting.logger);
    super(setting, ledger);
    this.store = store;
    this.journal = ledger;
    this.settings = settings;
    this.logger = setting.logger;
    this.time = setting.clock;
  }

  override storageOf(): TaskStorage {
    return this.settings.storage;
  }

  override open(): Promise<void> {
    return this.store.open();
  }

  /** The tasks of a request in one flush, shared with all other requests that wait for one. */
  override async commit(tasks: readonly Task[]): Promise<void> {
    if (tasks.length === 0) {
      return;
    }
    const group = tasks.length === 1 ? undefined : randomUUID();
    const records = tasks.map((task) => this.journal.recordOf(task, group));
    let callOff: (() => void) | undefined;
    const timeout = new Promise<never>((_resolve, reject) => {
      callOff = this.time.after(this.settings.commitTimeoutMs, () =>
        reject(new Error(`No answer within ${this.settings.commitTimeoutMs} ms.`)),
      );
    });
    try {
      await Promise.race([this.store.writeThrough(records), timeout]);
    } catch (cause) {
      // What may have been written all the same must not run: the client was told that it failed.
      records.forEach(({ id }) => this.journal.forget(id));
      throw new StoreUnavailableError(`The journal ${this.settings.path}`, { cause });
    } finally {
      callOff?.();
    }
  }

  override async start(restorer: Restorer): Promise<void> {
    const unknown = new Map<string, number>();
    for (const group of groupsOf(this.store.all())) {
      const restored = restorer.restore(group);
      group
        .filter(({ id }) => !restored.some((task) => task.id === id))
        .forEach(({ name }) => unknown.set(name, (unknown.get(name) ?? 0) + 1));
      this.takeBackGroup(restored, new Map(group.map((record) => [record.id, record])), restorer);
    }
    unknown.forEach((count, name) => {
      this.logger.error(
        `The journal ${this.settings.path} has ${count} tasks named "${name}", and no ` +
          '@Background() method here has that name. They are kept: start a version that has it, or ' +
          'give the method { aliases }.',
      );
    });
    await super.start(restorer);
  }

  override async close(): Promise<void> {
    await super.close();
    await this.store.close();
  }

  private takeBackGroup(
    tasks: readonly Task[],
    records: ReadonlyMap<string, JournalRecord>,
    restorer: Restorer,
  ): void {
    const chains = new Map<string, { id: string; isBroken: boolean }>();
    const recordOf = (task: Task): JournalRecord => records.get(task.id) as JournalRecord;
    for (const task of tasks) {
      const record = recordOf(task);
      this.journal.adopt(task, record);
      if (record.chain !== undefined) {
        const chain = chains.get(record.chain) ?? { id: record.chain, isBroken: false };
        chains.set(record.chain, chain);
        task.chain = chain;
      }
    }
    for (const head of restorer.line(tasks)) {
      this.takeBack(head, (task) => recordOf(task).dueAt);
    }
    for (const task of tasks) {
      const { starts, isDead } = recordOf(task);
      if (isDead || starts >= this.settings.maxStarts) {
        this.journal.bury(task);
        this.giveUp(task, new TaskCrashedError(task.name, starts));
      }
    }
  }
}

/** Tasks that were committed together, in the order in which they were added. */
function groupsOf(records: readonly JournalRecord[]): JournalRecord[][] {
  const groups = new Map<string, JournalRecord[]>();
  for (const record of records.toSorted((one, other) => one.order - other.order)) {
    const group = groups.get(record.group);
    if (group === undefined) {
      groups.set(record.group, [record]);
    } else {
      group.push(record);
    }
  }
  return [...groups.values()];
}
