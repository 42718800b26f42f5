import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { JournalError } from '../../errors/storage.errors.js';
import { GroupCommit, type GroupSink } from './group-commit.js';
import type { Group } from './group.js';
import { JournalLock } from './journal-lock.js';
import type { JournalRecord } from './journal-record.js';
import { OwnerFile } from './owner-file.js';
import { otherFormat, Segments } from './segments.js';
import { Shelves } from './shelves.js';

const SEGMENT_BYTES = 4 * 1_048_576;
/** So many files there are at least before any of it is written anew. */
const FEW = 3;
/** Of what is to be written anew, so much goes with each group. */
const PORTION = 100;
/** What the first versions of the library wrote, with another store. */
const FORMER = { file: 'tasks.mdb', format: 1 } as const;

/** The journal on disk: files that are appended to, in a folder that this process owns. */
export class JournalStore implements GroupSink {
  private readonly lock: JournalLock;
  private segments: Segments;
  private shelves = new Shelves();
  private found: readonly JournalRecord[] = [];
  private readonly group = new GroupCommit(this);
  private isOpen = false;
  private isFailing = false;
  private report: (problem: string) => void = () => undefined;

  constructor(
    private readonly folder: string,
    private readonly segmentBytes = SEGMENT_BYTES,
  ) {
    this.lock = new JournalLock(folder, new OwnerFile(folder));
    this.segments = new Segments(folder, segmentBytes);
  }

  /**
   * @param report told of what could not be written and is waited for by nobody
   * @throws JournalError (in use, damaged, of another version)
   */
  async open(report?: (problem: string) => void): Promise<void> {
    this.report = report ?? this.report;
    try {
      await mkdir(this.folder, { recursive: true });
      await this.lock.take();
      await this.checkFormer();
      await this.read();
      this.isOpen = true;
    } catch (error) {
      await this.segments.close();
      await this.lock.free();
      throw error instanceof JournalError ? error : this.unusable(error);
    }
  }

  /** What a former process has left, in the order in which it was added. */
  takeOver(): readonly JournalRecord[] {
    this.checkOpen();
    const { found } = this;
    this.found = [];
    return found;
  }

  /** Calls `done` when the records are on disk: all who wait at one moment share the flush. */
  commit(records: readonly JournalRecord[], done: (error?: Error) => void): void {
    this.checkOpen();
    this.group.commit(records, done);
  }

  /** With what is committed next, or some milliseconds later: a crash may come first. */
  put(record: JournalRecord): void {
    this.checkOpen();
    this.group.put(record);
  }

  /** As {@link put}, or as {@link commit} where there is somebody to be told. */
  remove(record: JournalRecord, done?: (error?: Error) => void): void {
    this.forget(record);
    this.group.remove(record.order);
    if (done !== undefined) {
      this.group.commit([], done);
    }
  }

  /** Another of the same order takes its place. */
  forget(record: JournalRecord): void {
    this.checkOpen();
    record.isGone = true;
    this.shelves.remove(record);
  }

  /** What was given to it before is on disk then. */
  async close(): Promise<void> {
    if (this.isOpen) {
      await this.group.flush();
      this.isOpen = false;
      await this.segments.close();
    }
    await this.lock.free();
  }

  async append(group: Group): Promise<void> {
    const { payload } = group;
    if (payload !== '') {
      const segment = await this.segments.append(payload);
      for (const record of group.puts) {
        if (!record.isGone) {
          this.shelves.put(record, segment);
        }
      }
    }
    this.isFailing = false;
    this.tidy();
  }

  failed({ message }: Error): void {
    if (!this.isFailing) {
      this.isFailing = true;
      this.report(message);
    }
  }

  private async read(): Promise<void> {
    this.segments = new Segments(this.folder, this.segmentBytes);
    this.shelves = new Shelves();
    this.found = await this.shelves.read(this.segments.read());
    await this.segments.start();
    this.tidy();
  }

  /**
   * Drops what holds nothing any more, oldest first: what was removed must not come back because only
   * its removal was dropped. Where more than half of all is waste, what the oldest still holds is
   * written anew.
   */
  private tidy(): void {
    const { segments, shelves } = this;
    while (segments.count > 1 && segments.oldest?.records.first === undefined) {
      segments.dropOldest().catch((error: unknown) => this.failed(error as Error));
    }
    if (segments.count > FEW + (2 * shelves.length) / this.segmentBytes) {
      let record = segments.oldest?.records.first;
      for (let left = PORTION; left > 0 && record !== undefined; left -= 1) {
        this.group.put(record);
        record = record.after;
      }
    }
  }

  private checkOpen(): void {
    if (!this.isOpen) {
      throw new JournalError(this.folder, 'is not open.');
    }
  }

  private async checkFormer(): Promise<void> {
    const file = join(this.folder, FORMER.file);
    const isThere = await access(file).then(
      () => true,
      () => false,
    );
    if (isThere) {
      throw otherFormat(file, FORMER.format);
    }
  }

  private unusable(cause: unknown): JournalError {
    const { message } = cause as Error;
    return new JournalError(this.folder, `cannot be opened: ${message}.`, { cause });
  }
}
