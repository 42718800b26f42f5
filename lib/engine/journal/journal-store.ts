import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { MissingPeerError } from '../../errors/missing-peer.error.js';
import { JournalError } from '../../errors/storage.errors.js';
import { GroupCommit } from './group-commit.js';
import { problemOfFile } from './journal-file.js';
import { JournalLock, type OwnerEntry } from './journal-lock.js';
import { FORMAT, type JournalRecord } from './journal-record.js';

/** What the file says about itself. */
interface Meta {
  readonly format: number;
  readonly owner: string;
}

interface OpenedJournal {
  readonly records: Database<JournalRecord, number>;
  readonly group: GroupCommit;
}

/** The journal on disk: records by their order, in an LMDB environment that this process owns. */
export class JournalStore {
  private lock: JournalLock | undefined;
  private root: RootDatabase<unknown, string> | undefined;
  private journal: OpenedJournal | undefined;

  constructor(private readonly folder: string) {}

  /** @throws JournalError (in use, damaged, of a newer version), MissingPeerError */
  async open(): Promise<void> {
    const { open } = await import('lmdb').catch((error: unknown) => {
      throw new MissingPeerError('nestjs-background-tasks/journal', ['lmdb'], { cause: error });
    });
    try {
      await mkdir(this.folder, { recursive: true });
      const problem = await problemOfFile(this.file);
      if (problem !== undefined) {
        throw new Error(problem);
      }
      // Batches of an event turn have promises of lmdb's own: one that fails, when the disk is full,
      // would be an unhandled rejection.
      this.root = open<unknown, string>({
        path: this.file,
        noSubdir: true,
        eventTurnBatching: false,
      });
      const meta = this.root.openDB<Meta[keyof Meta], keyof Meta>({ name: 'meta' });
      this.checkFormat(meta.get('format'));
      this.lock = new JournalLock(this.folder, ownerEntry(meta));
      await this.lock.take();
      if (meta.get('format') === undefined) {
        meta.putSync('format', FORMAT);
      }
      const records = this.root.openDB<JournalRecord, number>({ name: 'tasks' });
      this.journal = { records, group: new GroupCommit(records) };
    } catch (error) {
      await this.lock?.free();
      await this.root?.close();
      throw error instanceof JournalError ? error : this.unusable(error);
    }
  }

  /** In the order in which they were added. @throws JournalError where it is damaged */
  all(): JournalRecord[] {
    try {
      return [...this.opened.records.getRange()].map(({ value }) => value);
    } catch (error) {
      throw error instanceof JournalError ? error : this.unusable(error);
    }
  }

  /** Resolves when the records are on disk: the flush is shared by all who wait for one. */
  async writeThrough(records: readonly JournalRecord[]): Promise<void> {
    await this.opened.group.add({ put: records, isFlushed: true });
  }

  /** Resolves when a crash of the process would not lose it; one of the machine might. */
  async write(record: JournalRecord): Promise<void> {
    await this.opened.group.add({ put: [record], isFlushed: false });
  }

  async remove(record: JournalRecord): Promise<void> {
    await this.opened.group.add({ remove: record, isFlushed: false });
  }

  /** What was written before is on disk then. */
  async close(): Promise<void> {
    await this.journal?.group.settled();
    await this.root?.flushed;
    await this.lock?.free();
    await this.root?.close();
    this.root = undefined;
    this.journal = undefined;
  }

  private get file(): string {
    return join(this.folder, 'tasks.mdb');
  }

  private get opened(): OpenedJournal {
    if (this.journal === undefined) {
      throw new JournalError(this.folder, 'is not open.');
    }
    return this.journal;
  }

  private checkFormat(format: number | string | undefined): void {
    if (format !== undefined && format !== FORMAT) {
      throw new JournalError(
        this.file,
        `has format ${format}, and this version of the library knows ${FORMAT} only. ` +
          'Nothing was changed. Use a version that knows it, or give this one another path.',
      );
    }
  }

  private unusable(cause: unknown): JournalError {
    const { message, code } = cause as { message: string; code?: string | number };
    // The system's own errors: LMDB's are negative.
    if (typeof code === 'string' || (code ?? 0) > 0) {
      return new JournalError(this.file, `cannot be opened: ${message}.`, { cause });
    }
    return new JournalError(
      this.file,
      `is damaged: ${message}. No task was removed. Move it away to start with an empty one, or put ` +
        'a backup in its place.',
      { cause },
    );
  }
}

function ownerEntry(meta: Database<Meta[keyof Meta], keyof Meta>): OwnerEntry {
  const read = (): string | undefined => meta.get('owner') as string | undefined;
  return {
    read,
    replace: (expected, owner) =>
      // One writer at a time, over all processes: LMDB's own lock sees to it.
      meta.transactionSync(() => {
        if (read() !== expected) {
          return false;
        }
        if (owner === undefined) {
          meta.removeSync('owner');
        } else {
          meta.putSync('owner', owner);
        }
        return true;
      }),
  };
}
