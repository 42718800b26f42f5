import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { MissingPeerError } from '../../errors/missing-peer.error.js';
import { JournalError } from '../../errors/storage.errors.js';
import { problemOfFile } from './journal-file.js';
import { JournalLock, type OwnerEntry } from './journal-lock.js';
import { FORMAT, type JournalRecord } from './journal-record.js';

/** What the file says about itself. */
interface Meta {
  readonly format: number;
  readonly owner: string;
}

/** The journal on disk: records by task id, in an LMDB environment that this process owns. */
export class JournalStore {
  private lock: JournalLock | undefined;
  private root: RootDatabase<unknown, string> | undefined;
  private records: Database<JournalRecord, string> | undefined;

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
      this.records = this.root.openDB<JournalRecord, string>({ name: 'tasks' });
    } catch (error) {
      await this.lock?.free();
      await this.root?.close();
      throw error instanceof JournalError ? error : this.unusable(error);
    }
  }

  /** @throws JournalError where it is damaged */
  all(): JournalRecord[] {
    try {
      return [...this.opened.getRange()].map(({ value }) => value);
    } catch (error) {
      throw error instanceof JournalError ? error : this.unusable(error);
    }
  }

  /** Resolves when the records are on disk: the flush is shared by all who wait for one. */
  async writeThrough(records: readonly JournalRecord[]): Promise<void> {
    const { opened } = this;
    const [only, ...others] = records;
    if (only === undefined) {
      return;
    }
    const written =
      others.length === 0
        ? opened.put(only.id, only)
        : opened.batch(() => {
            for (const record of records) {
              void opened.put(record.id, record);
            }
          });
    // Asked for now: later there may be another flush to wait for.
    await Promise.all([handled(written), opened.flushed]);
  }

  /** Resolves when a crash of the process would not lose it; one of the machine might. */
  async write(record: JournalRecord): Promise<void> {
    await handled(this.opened.put(record.id, record));
  }

  async remove(id: string): Promise<void> {
    await handled(this.opened.remove(id));
  }

  /** Resolves when what was written before is on disk: never, where the disk did not take it. */
  async flush(): Promise<void> {
    await this.root?.flushed;
  }

  async close(): Promise<void> {
    await this.lock?.free();
    await this.root?.close();
    this.root = undefined;
    this.records = undefined;
  }

  private get file(): string {
    return join(this.folder, 'tasks.mdb');
  }

  private get opened(): Database<JournalRecord, string> {
    if (this.records === undefined) {
      throw new JournalError(this.folder, 'is not open.');
    }
    return this.records;
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

/** A failed commit has its cause in a promise of its own, which nobody must leave unhandled. */
async function handled(written: Promise<boolean>): Promise<void> {
  try {
    await written;
  } catch (error) {
    const { commitError } = error as { commitError?: Promise<never> };
    const cause = await commitError?.catch((reason: unknown) => reason);
    throw new Error(`the disk did not take it: ${String(cause ?? error)}`, { cause: error });
  }
}
