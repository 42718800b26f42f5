import type { LoggerService } from '@nestjs/common';
import type { Clock } from '../../task/clock.js';
import type { Task } from '../../task/task.js';
import type { Ledger } from '../memory/ledger.js';
import type { JournalRecord } from './journal-record.js';
import type { JournalStore } from './journal-store.js';

/** Keeps the journal in step with its tasks. */
export class JournalLedger implements Ledger {
  private readonly records = new Map<string, JournalRecord>();
  private readonly dead = new Set<string>();
  private lastOrder = 0;

  constructor(
    private readonly store: JournalStore,
    private readonly clock: Clock,
    private readonly logger: LoggerService,
  ) {}

  /** The record of a task that is about to be committed. */
  recordOf(task: Task, group: string | undefined): JournalRecord {
    const { id, name, queue, addedAt, attempts, chain, stored, settings } = task;
    if (stored === undefined) {
      throw new Error(`Task "${name}" was not written down when it was added.`);
    }
    const now = this.clock.now();
    // Over restarts too, as long as the clock of the machine does not go back.
    this.lastOrder = Math.max(this.lastOrder + 1, Math.floor(now) * 1_000);
    if (chain !== undefined) {
      chain.id ??= id;
    }
    const record: JournalRecord = {
      id,
      name: task.definition?.name ?? name,
      queue,
      call: stored,
      addedAt,
      attempts,
      group: group ?? chain?.id ?? id,
      order: this.lastOrder,
      chain: chain?.id,
      dueAt: now + settings.delayMs,
      starts: 0,
      isDead: false,
    };
    this.records.set(id, record);
    return record;
  }

  adopt(task: Task, record: JournalRecord): void {
    this.records.set(task.id, record);
    this.lastOrder = Math.max(this.lastOrder, record.order);
  }

  starting(task: Task): Promise<void> {
    return this.rewrite(task, ({ starts }) => ({ starts: starts + 1 }));
  }

  retrying(task: Task, dueAt: number): Promise<void> {
    const { attempts } = task;
    return this.rewrite(task, () => ({ attempts, dueAt, starts: 0 }));
  }

  /** It did not die: this start does not count. */
  kept(task: Task): Promise<void> {
    return this.rewrite(task, () => ({ starts: 0 }));
  }

  async settled(task: Task): Promise<void> {
    const { id, name } = task;
    if (this.dead.delete(id)) {
      await this.rewrite(task, () => ({ isDead: true }));
      this.records.delete(id);
    } else {
      this.records.delete(id);
      await this.attend(name, this.store.remove(id));
    }
  }

  /** When the task settles its record stays, until somebody retries it. */
  bury(task: Task): void {
    this.dead.add(task.id);
  }

  forget(id: string): void {
    this.records.delete(id);
    void this.attend(id, this.store.remove(id)).catch(() => undefined);
  }

  private async rewrite(
    task: Task,
    change: (record: JournalRecord) => Partial<JournalRecord>,
  ): Promise<void> {
    const record = this.records.get(task.id);
    if (record !== undefined) {
      const changed = { ...record, ...change(record) };
      this.records.set(task.id, changed);
      await this.attend(task.name, this.store.write(changed));
    }
  }

  /** @throws what the store did, once it is in the log */
  private async attend(subject: string, written: Promise<void>): Promise<void> {
    try {
      await written;
    } catch (error) {
      this.logger.error(`The journal could not be written for ${subject}: ${String(error)}`);
      throw error;
    }
  }
}
