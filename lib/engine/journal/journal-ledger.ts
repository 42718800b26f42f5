import type { LoggerService } from '@nestjs/common';
import type { Clock } from '../../task/clock.js';
import type { Task } from '../../task/task.js';
import type { Ledger } from '../memory/ledger.js';
import type { JournalRecord } from './journal-record.js';
import type { JournalStore } from './journal-store.js';
import { within } from './within.js';

/** Keeps the journal in step with its tasks. No write is waited for longer than `timeoutMs`. */
export class JournalLedger implements Ledger {
  private readonly records = new Map<string, JournalRecord>();
  /** Given up: their records stay, until somebody retries them. */
  private readonly dead = new Map<string, JournalRecord>();
  private lastOrder = 0;

  constructor(
    private readonly store: JournalStore,
    private readonly timeoutMs: number,
    private readonly clock: Clock,
    private readonly logger: LoggerService,
  ) {}

  /**
   * Resolves when the tasks are on disk.
   *
   * @throws what the store did; nothing of the tasks is left then, as far as it obeys
   */
  async commit(tasks: readonly Task[], group: string | undefined): Promise<void> {
    const records = tasks.map((task) => this.recordOf(task, group));
    try {
      await within(this.clock, this.timeoutMs, this.store.writeThrough(records));
      records.forEach(({ id }) => this.dead.delete(id));
    } catch (error) {
      // What may have been written all the same must not run: the client was told that it failed.
      records.forEach(({ id }) => this.forget(id));
      throw error;
    }
  }

  adopt(task: Task, record: JournalRecord): void {
    this.records.set(task.id, record);
    this.lastOrder = Math.max(this.lastOrder, record.order);
  }

  /** When the task settles its record stays. */
  bury(task: Task): void {
    const record = this.records.get(task.id);
    if (record !== undefined) {
      this.dead.set(task.id, { ...record, isDead: true });
    }
  }

  /** The task will not be released. One that was retried is again what it was before. */
  forget(id: string): void {
    if (this.records.delete(id)) {
      const dead = this.dead.get(id);
      const written = dead === undefined ? this.store.remove(id) : this.store.write(dead);
      void this.attend(id, written).catch(() => undefined);
    }
  }

  starting(task: Task): Promise<void> {
    return this.rewrite(task, ({ starts }) => ({ starts: starts + 1 }));
  }

  retrying(task: Task, dueAt: number): Promise<void> {
    const { attempts } = task;
    return this.rewrite(task, () => ({ attempts, dueAt, starts: 0 }));
  }

  /** It did not die: this start does not count. */
  async kept({ id, name }: Task): Promise<void> {
    const record = this.records.get(id);
    this.records.delete(id);
    if (record !== undefined && record.starts > 0) {
      await this.attend(name, this.store.write({ ...record, starts: 0 }));
    }
  }

  async settled({ id, name }: Task): Promise<void> {
    const dead = this.dead.get(id);
    const record = this.records.get(id);
    this.records.delete(id);
    if (dead !== undefined) {
      await (record?.isDead ? undefined : this.attend(name, this.store.write(dead)));
    } else if (record !== undefined) {
      await this.attend(name, this.store.remove(id));
    }
  }

  private recordOf(task: Task, group: string | undefined): JournalRecord {
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
      await within(this.clock, this.timeoutMs, written);
    } catch (error) {
      this.logger.error(`The journal could not be written for ${subject}: ${String(error)}`);
      throw error;
    }
  }
}
