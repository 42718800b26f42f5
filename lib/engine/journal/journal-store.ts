import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { JournalError, MissingPeerError } from '../../errors/storage.errors.js';
import { JournalLock } from './journal-lock.js';
import { FORMAT, type JournalRecord } from './journal-record.js';

/** The journal on disk: records by task id, in an LMDB environment that this process owns. */
export class JournalStore {
  private readonly lock: JournalLock;
  private root: RootDatabase<unknown, string> | undefined;
  private records: Database<JournalRecord, string> | undefined;

  constructor(private readonly folder: string) {
    this.lock = new JournalLock(folder);
  }

  private get file(): string {
    return join(this.folder, 'tasks.mdb');
  }

  /** @throws JournalError (in use, damaged, of a newer version), MissingPeerError */
  async open(): Promise<void> {
    const { open } = await import('lmdb').catch((error: unknown) => {
      throw new MissingPeerError('journal', 'lmdb', { cause: error });
    });
    await mkdir(this.folder, { recursive: true }).catch((error: unknown) => {
      throw new JournalError(this.folder, `cannot be made: ${String(error)}`, { cause: error });
    });
    await this.lock.take();
    try {
      this.root = open<unknown, string>({ path: this.file, noSubdir: true });
      this.checkFormat(this.root);
      this.records = this.root.openDB<JournalRecord, string>({ name: 'tasks' });
    } catch (error) {
      await this.root?.close();
      await this.lock.free();
      throw error instanceof JournalError
        ? error
        : new JournalError(
            this.file,
            `is damaged: ${String(error)}. Nothing was changed. Move it away to start with an empty one.`,
            { cause: error },
          );
    }
  }

  all(): JournalRecord[] {
    return [...this.opened.getRange()].map(({ value }) => value);
  }

  /** Resolves when the records are on disk: the flush is shared by all who wait for one. */
  async writeThrough(records: readonly JournalRecord[]): Promise<void> {
    const { opened } = this;
    await opened.batch(() => {
      for (const record of records) {
        void opened.put(record.id, record);
      }
    });
    await opened.flushed;
  }

  /** Resolves when a crash of the process would not lose it; one of the machine might. */
  async write(record: JournalRecord): Promise<void> {
    await this.opened.put(record.id, record);
  }

  async remove(id: string): Promise<void> {
    await this.opened.remove(id);
  }

  async close(): Promise<void> {
    await this.root?.flushed;
    await this.root?.close();
    await this.lock.free();
  }

  private get opened(): Database<JournalRecord, string> {
    if (this.records === undefined) {
      throw new JournalError(this.folder, 'is not open.');
    }
    return this.records;
  }

  private checkFormat(root: RootDatabase<unknown, string>): void {
    const meta = root.openDB<number, string>({ name: 'meta' });
    const format = meta.get('format');
    if (format === undefined) {
      meta.putSync('format', FORMAT);
    } else if (format !== FORMAT) {
      throw new JournalError(
        this.file,
        `has format ${format}, and this version of the library knows ${FORMAT} only. Nothing was ` +
          'changed. Use a version that knows it, or give this one another path.',
      );
    }
  }
}
