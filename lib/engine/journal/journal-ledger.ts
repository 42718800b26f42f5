import type { LoggerService } from '@nestjs/common';
import type { Clock } from '../../task/clock.js';
import type { Task } from '../../task/task.js';
import type { Ledger } from '../memory/ledger.js';
import type { JournalRecord } from './journal-record.js';
import type { JournalStore } from './journal-store.js';
import type { Patience } from '../patience.js';

/** Keeps the journal in step with its tasks. */
export class JournalLedger implements Ledger {
  private readonly records = new Map<string, JournalRecord>();
  /** Given up: their records stay, until somebody retries them. */
  private readonly dead = new Map<string, JournalRecord>();
  /** Their next start is in their record. */
  private readonly counted = new Set<string>();
  private lastOrder = 0;

  constructor(
    private readonly store: JournalStore,
    private readonly patience: Patience,
    private readonly maxStarts: number,
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
      await this.patience.wait(this.store.writeThrough(records));
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
    const record = this.records.get(id);
    if (record !== undefined) {
      this.letGo(id);
      const dead = this.dead.get(id);
      const written = dead === undefined ? this.store.remove(record) : this.store.write(dead);
      this.attend(id, written).catch(() => undefined);
    }
  }

  /**
   * What this process has written last says already that it starts: see {@link firstStart}. Only what
   * a former one has left is written anew.
   */
  starting(task: Task): Promise<void> | void {
    const { id } = task;
    const isCounted = this.counted.delete(id);
    return isCounted ? undefined : this.rewrite(task, ({ starts }) => ({ starts: starts + 1 }));
  }

  retrying(task: Task, dueAt: number): Promise<void> {
    const { attempts } = task;
    return this.rewrite(task, () => ({ attempts, dueAt, starts: this.firstStart(task.id) }));
  }

  /** It did not die: this start does not count. */
  kept({ id, name }: Task): Promise<void> {
    const record = this.records.get(id);
    this.letGo(id);
    return record !== undefined && record.starts > 0
      ? this.attend(name, this.store.write({ ...record, starts: 0 }))
      : WRITTEN;
  }

  settled({ id, name }: Task): Promise<void> {
    const dead = this.dead.get(id);
    const record = this.records.get(id);
    this.letGo(id);
    if (dead !== undefined) {
      return record?.isDead ? WRITTEN : this.attend(name, this.store.write(dead));
    }
    return record === undefined ? WRITTEN : this.attend(name, this.store.remove(record));
  }

  private letGo(id: string): void {
    this.records.delete(id);
    this.counted.delete(id);
  }

  private recordOf(task: Task, group: string | undefined): JournalRecord {
    const { id, name, queue, addedAt, attempts, chain, stored, settings } = task;
    if (stored === undefined) {
      throw new Error(`Task "${name}" was not written down when it was added.`);
    }
    const now = this.clock.now();
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
      // A dead task that is retried takes the place of its old record.
      order: this.dead.get(id)?.order ?? this.nextOrder(now),
      chain: chain?.id,
      dueAt: now + settings.delayMs,
      starts: this.firstStart(id),
      isDead: false,
    };
    this.records.set(id, record);
    return record;
  }

  /**
   * The start of the attempt that follows is counted ahead, in a record that is written anyway: a write
   * of its own would hold up every attempt. A task that was still waiting when its process died has
   * one start too many then, which it must be able to afford.
   */
  private firstStart(id: string): number {
    if (this.maxStarts === 1) {
      return 0;
    }
    this.counted.add(id);
    return 1;
  }

  /** Grows over restarts too, as long as the clock of the machine does not go back. */
  private nextOrder(now: number): number {
    this.lastOrder = Math.max(this.lastOrder + 1, Math.floor(now) * 1_000);
    return this.lastOrder;
  }

  private rewrite(
    { id, name }: Task,
    change: (record: JournalRecord) => Partial<JournalRecord>,
  ): Promise<void> {
    const record = this.records.get(id);
    if (record === undefined) {
      return WRITTEN;
    }
    const changed = { ...record, ...change(record) };
    this.records.set(id, changed);
    return this.attend(name, this.store.write(changed));
  }

  /** @throws what the store did, once it is in the log */
  private attend(subject: string, written: Promise<void>): Promise<void> {
    return this.patience.wait(written).catch((error: unknown) => {
      this.logger.error(`The journal could not be written for ${subject}: ${String(error)}`);
      throw error;
    });
  }
}

const WRITTEN = Promise.resolve();
