import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { MissingPeerError } from '../../errors/missing-peer.error.js';
import { JournalError } from '../../errors/storage.errors.js';
import { GroupCommit } from './group-commit.js';
import type { Done, Group } from './group.js';
import { problemOfFile } from './journal-file.js';
import { JournalLock, type OwnerEntry } from './journal-lock.js';
import { FORMAT, type JournalRecord } from './journal-record.js';
import { decodeRecord, encodeRecord } from './record-line.js';

/** What the file says about itself. */
interface Meta {
  readonly format: number;
  readonly owner: string;
}

/** The journal on disk: records by their order, in an LMDB environment that this process owns. */
export class JournalStore {
  private readonly group = new GroupCommit({
    append: (group) => this.append(group),
    failed: (error) => this.failed(error),
  });
  private isFailing = false;
  private report: (problem: string) => void = () => undefined;
  private lock: JournalLock | undefined;
  private root: RootDatabase<unknown, string> | undefined;
  private records: Database<string, number> | undefined;

  constructor(private readonly folder: string) {}

  /**
   * @param report told of what could not be written and is waited for by nobody
   * @throws JournalError (in use, damaged, of another version), MissingPeerError
   */
  async open(report?: (problem: string) => void): Promise<void> {
    this.report = report ?? this.report;
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
      this.records = this.root.openDB<string, number>({ name: 'tasks', encoding: 'string' });
    } catch (error) {
      await this.lock?.free();
      await this.root?.close();
      throw error instanceof JournalError ? error : this.unusable(error);
    }
  }

  /**
   * What a former process has left, in the order in which it was added.
   *
   * @throws JournalError where it is damaged
   */
  takeOver(): readonly JournalRecord[] {
    try {
      return [...this.opened.getRange()].map(({ value }) => decodeRecord(value));
    } catch (error) {
      throw error instanceof JournalError ? error : this.unusable(error);
    }
  }

  /** Calls `done` when the records are on disk: all who wait at one moment share the flush. */
  commit(records: readonly JournalRecord[], done: Done): void {
    this.checkOpen();
    this.group.commit(records, done);
  }

  /** With what is committed next, or some milliseconds later: a crash may come first. */
  put(record: JournalRecord): void {
    this.checkOpen();
    this.group.put(record);
  }

  /** As {@link put}. Calls `done` when a crash of the process would not bring it back; one of the machine might. */
  remove(record: JournalRecord, done?: () => void): void {
    this.forget(record);
    this.group.remove(record.order, done);
  }

  /** Another of the same order takes its place. */
  forget(record: JournalRecord): void {
    this.checkOpen();
    record.isGone = true;
  }

  /** What was given to it before is on disk then. */
  async close(): Promise<void> {
    if (this.records !== undefined) {
      await this.group.flush();
    }
    await this.root?.flushed;
    await this.lock?.free();
    await this.root?.close();
    this.root = undefined;
    this.records = undefined;
  }

  /** In one transaction. Resolves with its flush where somebody waits for the disk, else with the commit. */
  protected async append(group: Group): Promise<void> {
    const { opened } = this;
    try {
      const committed = opened.batch(() => {
        group.removed.forEach((order) => void opened.remove(order));
        group.records.forEach((record) => void opened.put(record.order, encodeRecord(record)));
      });
      // Asked for now: later there may be another flush to wait for.
      await Promise.all([committed, group.isAwaited && opened.flushed]);
    } catch (failure) {
      throw await causeOf(failure);
    }
    this.isFailing = false;
  }

  protected failed({ message }: Error): void {
    if (!this.isFailing) {
      this.isFailing = true;
      this.report(message);
    }
  }

  private checkOpen(): void {
    void this.opened;
  }

  private get file(): string {
    return join(this.folder, 'tasks.mdb');
  }

  private get opened(): Database<string, number> {
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
async function causeOf(failure: unknown): Promise<unknown> {
  const { commitError } = failure as { commitError?: Promise<never> };
  try {
    await commitError;
  } catch (reason) {
    return reason;
  }
  return failure;
}
