import { join } from 'node:path';
import type { LoggerService } from '@nestjs/common';
import type { Database, RootDatabase } from 'lmdb';
import { MissingPeerError } from '../../errors/missing-peer.error.js';
import { JournalError, StoreUnavailableError } from '../../errors/storage.errors.js';
import type { KeepLimits } from '../engine.js';
import type { FailedQuery } from '../kept-tasks.js';
import { unreadableLetter, type DeadLetter } from './dead-letter.js';
import { GroupCommit } from './group-commit.js';
import type { Done, Group } from './group.js';
import { prepareFiles, prepareFolder } from './journal-file.js';
import { JournalLock, type OwnerEntry } from './journal-lock.js';
import { FORMAT, type JournalRecord } from './journal-record.js';
import { decodeRecord, encodeRecord } from './record-line.js';
import { StoredLetters } from './stored-letters.js';

/** The file's entries about itself. */
interface Meta {
  readonly format: number;
  readonly owner: string;
}

/**
 * By path: stores of applications in this process that have not finished their start, and may never
 * do.
 */
const unstarted = new Map<string, JournalStore>();

/** Receives errors that no caller waits for. */
export type StoreLog = Pick<LoggerService, 'error' | 'warn'>;

/** How often an idle journal is checked for being still there, in milliseconds. */
const LOOK_MS = 500;
/** Prefix of the ids that are shown for unreadable records. */
const UNREADABLE = 'record-';

/** A key among the records of schedules, written only to see whether the disk accepts it. */
const PROBE = ':probe';

/** The journal on disk: records by order, in an LMDB environment that this process owns. */
export class JournalStore {
  private readonly group = new GroupCommit({
    append: (group) => this.append(group),
    failed: (error) => this.failed(error),
  });
  private isFailing = false;
  private log: StoreLog | undefined;
  private lock: JournalLock | undefined;
  private realPath = '';
  private root: RootDatabase<unknown, string> | undefined;
  private records: Database<string, number> | undefined;
  private scheduleRecords: Database<string, string> | undefined;
  private letters: StoredLetters | undefined;
  /** Placeholders for records that cannot be read. */
  unreadable: DeadLetter[] = [];
  private trim: () => void = () => undefined;
  private looking: NodeJS.Timeout | undefined;

  /** @param queue shown for records whose queue cannot be read */
  constructor(
    private readonly folder: string,
    private readonly queue = 'default',
  ) {}

  /**
   * @param log receives write errors that no caller waits for
   * @param patienceMs how long an ending process may take to let go of the journal
   * @throws JournalError (in use, damaged, of another version), MissingPeerError
   */
  async open(log?: StoreLog, patienceMs = 0): Promise<void> {
    this.log = log;
    const { open } = await import('lmdb').catch((error: unknown) => {
      throw new MissingPeerError('nestjs-background-tasks/journal', ['lmdb'], { cause: error });
    });
    try {
      const path = await prepareFolder(this.folder);
      const onWait = (): void =>
        log?.warn(
          `The journal ${path} is in use by another process or application. Waiting ${patienceMs} ms ` +
            'at most for it to end.',
        );
      await unstarted.get(path)?.close();
      this.lock = new JournalLock(path);
      await this.lock.whenFree(patienceMs, onWait);
      if (await prepareFiles(path)) {
        log?.warn(
          `The journal ${path} is empty, although its lock file shows that it was in use. Its ` +
            'tasks are lost: the file was cut off or replaced.',
        );
      }
      // With event-turn batching, lmdb has internal promises: one that rejects, when the disk is
      // full, would be an unhandled rejection.
      this.root = open<unknown, string>({ path, noSubdir: true, eventTurnBatching: false });
      const meta = this.root.openDB<Meta[keyof Meta], keyof Meta>({ name: 'meta' });
      this.checkFormat(meta.get('format'));
      await this.lock.take(ownerEntry(meta), patienceMs, onWait);
      if (meta.get('format') === undefined) {
        meta.putSync('format', FORMAT);
      }
      this.records = this.root.openDB<string, number>({ name: 'tasks', encoding: 'string' });
      this.scheduleRecords = this.root.openDB<string, string>({
        name: 'schedules',
        encoding: 'string',
      });
      this.letters = new StoredLetters(this.root, path, this.queue);
      this.realPath = path;
      unstarted.set(path, this);
    } catch (error) {
      await this.letGo();
      throw error instanceof JournalError ? error : this.unusable(error);
    }
    this.looking = setInterval(() => this.look(), LOOK_MS).unref();
  }

  /** Called when the application starts. @throws JournalError if another one of this process took over */
  started(): void {
    if (unstarted.get(this.realPath) !== this) {
      throw new JournalError(
        this.file,
        'was given to another application or engine of this process, which opened it before this one had ' +
          'finished its start: give each a path of its own.',
      );
    }
    unstarted.delete(this.realPath);
  }

  /**
   * What an earlier process left behind, in the order added. Unreadable records stay on disk: see
   * {@link unreadable}.
   *
   * @param now milliseconds since the epoch
   * @throws JournalError if the journal is damaged
   */
  takeOver(now = Number.POSITIVE_INFINITY): readonly JournalRecord[] {
    const records: JournalRecord[] = [];
    try {
      for (const { key, value } of this.opened.getRange()) {
        try {
          records.push(decodeRecord(value, now));
        } catch (error) {
          const place = { at: 0, id: `${UNREADABLE}${key}` };
          this.unreadable.push(unreadableLetter(this.file, this.queue, place, error));
        }
      }
    } catch (error) {
      throw error instanceof JournalError ? error : this.unusable(error);
    }
    return records;
  }

  /** Removes an unreadable record. @returns whether there was one */
  forgetUnreadable(id: string): boolean {
    const index = this.unreadable.findIndex((letter) => letter.id === id);
    if (index >= 0) {
      this.unreadable.splice(index, 1);
      this.group.remove(Number(id.slice(UNREADABLE.length)));
    }
    return index >= 0;
  }

  /** Written with the next group, like the removal of the task's record. */
  bury(letter: DeadLetter): void {
    this.checkOpen();
    this.group.bury(letter.id, letter);
  }

  unbury(id: string): void {
    this.checkOpen();
    this.group.bury(id, undefined);
  }

  isBuried(id: string): boolean {
    return this.group.isBuried(id) ?? this.letter(id) !== undefined;
  }

  /** From now on, letters beyond the limits are removed after each write of letters. */
  bound(keep: KeepLimits, now: () => number): void {
    this.trim = () => this.letters?.excess(keep, now()).forEach((id) => this.unbury(id));
  }

  letter(id: string): DeadLetter | undefined {
    return this.letters?.get(id);
  }

  lettersFrom(query: FailedQuery, limit: number): Iterable<DeadLetter> {
    return this.letters?.from(query, limit) ?? [];
  }

  /** The number of letters per queue. */
  get lettersByQueue(): Iterable<[queue: string, count: number]> {
    return this.letters?.byQueue ?? [];
  }

  schedules(): Map<string, string> {
    this.checkOpen();
    const records = new Map(
      Array.from(this.scheduleRecords?.getRange() ?? [], ({ key, value }) => [key, value]),
    );
    records.delete(PROBE);
    return records;
  }

  /** Part of the next commit in this turn of the event loop. */
  putSchedule(name: string, record: string | undefined): void {
    this.checkOpen();
    this.group.putSchedule(name, record);
  }

  /** Writes a record that means nothing. Calls `done` when it is on disk, or with the error. */
  probe(done: Done): void {
    this.putSchedule(PROBE, String(Date.now()));
    this.group.commit([], done);
  }

  /** Calls `done` when the records are on disk. All callers of one moment share the flush. */
  commit(records: readonly JournalRecord[], done: Done): void {
    this.checkOpen();
    this.group.commit(records, done);
  }

  /** Written with the next commit, or some milliseconds later. A crash may come first. */
  put(record: JournalRecord): void {
    this.checkOpen();
    this.group.put(record);
  }

  /**
   * As {@link put}. Calls `done` when the removal would survive a crash of the process, not of the
   * machine.
   */
  remove(record: JournalRecord, done?: () => void): void {
    this.forget(record);
    this.group.remove(record.order, done);
  }

  /** Marks a record as gone, so that it is not written any more. */
  forget(record: JournalRecord): void {
    this.checkOpen();
    record.isGone = true;
  }

  /** Flushes everything pending, then closes. */
  async close(): Promise<void> {
    if (unstarted.get(this.realPath) === this) {
      unstarted.delete(this.realPath);
    }
    clearInterval(this.looking);
    if (this.records !== undefined) {
      await this.group.flush();
    }
    await this.root?.flushed;
    await this.letGo();
  }

  /**
   * Writes in one transaction. Resolves at its flush if a caller waits for the disk, otherwise at
   * its commit.
   */
  protected async append(group: Group): Promise<void> {
    this.checkPlace();
    const { opened, letters } = this;
    let counted: (() => void) | undefined;
    try {
      const committed = opened.batch(() => {
        counted = letters?.write(group.dead);
        group.removed.forEach((order) => void opened.remove(order));
        for (const [name, record] of group.schedules) {
          const { scheduleRecords } = this;
          void (record === undefined
            ? scheduleRecords?.remove(name)
            : scheduleRecords?.put(name, record));
        }
        group.records.forEach((record) => void opened.put(record.order, encodeRecord(record)));
      });
      // Read now: later it may be the promise of another flush.
      await Promise.all([committed, group.isAwaited && opened.flushed]);
    } catch (failure) {
      throw await causeOf(failure);
    }
    counted?.();
    if (group.dead.size > 0) {
      this.trim();
    }
    // Records in a file that was moved or replaced meanwhile are not stored.
    this.checkPlace();
    this.isFailing = false;
  }

  protected failed({ message }: Error): void {
    if (!this.isFailing) {
      this.isFailing = true;
      this.log?.error(`The journal ${this.file} could not be written: ${message}`);
    }
  }

  private look(): void {
    const problem = this.lock?.problem();
    if (problem !== undefined) {
      this.failed(new Error(`it ${problem}`));
    }
  }

  /** @throws Error if this process no longer has the journal */
  private checkPlace(): void {
    const problem = this.lock?.problem();
    if (problem !== undefined) {
      throw new Error(`it ${problem}`);
    }
  }

  private async letGo(): Promise<void> {
    const { lock, root } = this;
    this.root = undefined;
    this.records = undefined;
    this.letters = undefined;
    lock?.free();
    await root?.close();
    await lock?.close();
  }

  /** @throws StoreUnavailableError where it has closed */
  checkOpen(): void {
    void this.opened;
  }

  private get file(): string {
    return join(this.folder, 'tasks.mdb');
  }

  private get opened(): Database<string, number> {
    if (this.records !== undefined) {
      return this.records;
    }
    throw this.realPath === ''
      ? new JournalError(this.folder, 'is not open.')
      : new StoreUnavailableError(`The journal ${this.folder}`, undefined, 'closed');
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
    // Errors of the system; those of LMDB have negative codes.
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
      // LMDB allows one writer at a time, across all processes.
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

/** The cause of a failed commit is in a separate promise, whose rejection has to be handled. */
async function causeOf(failure: unknown): Promise<unknown> {
  const { commitError } = failure as { commitError?: Promise<never> };
  try {
    await commitError;
  } catch (reason) {
    return reason;
  }
  return failure;
}
