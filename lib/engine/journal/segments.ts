import { randomInt } from 'node:crypto';
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { JournalError } from '../../errors/storage.errors.js';
import { createSegment, Segment, syncFolder } from './segment.js';
import {
  decodeFrames,
  decodeHeader,
  FORMAT,
  formatOf,
  frameBytes,
  PAGE_BYTES,
} from './segment-format.js';

const NAME = /^tasks-(\d+)\.log$/;
/** The next one is made when so much of the one that is written to is full. */
const NEXT_AT = 0.5;

/** The files of the journal: lines are appended to the youngest, and the oldest goes first. */
export class Segments {
  /** The oldest first; the last is written to. */
  private present: Segment[] = [];
  private next: Promise<Segment> | undefined;
  /** Making and dropping files: one at a time, or a crash could leave a gap in their numbers. */
  private housekeeping: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly folder: string,
    private readonly bytes: number,
  ) {}

  get count(): number {
    return this.present.length;
  }

  get oldest(): Segment | undefined {
    return this.present[0];
  }

  /**
   * What is there, in the order in which it was written. Nothing is changed.
   *
   * @throws JournalError where a file is damaged or of another format
   */
  async *read(): AsyncGenerator<{ segment: Segment; lines: Iterable<string> }> {
    const names = (await readdir(this.folder)).filter((name) => NAME.test(name));
    const numbers = names.map(numberOf).toSorted((a, b) => a - b);
    for (const number of numbers) {
      const path = this.pathOf(number);
      const previous = this.present.at(-1)?.header.number ?? number - 1;
      try {
        const file = await readFile(path);
        checkFormat(path, file);
        const header = decodeHeader(file);
        if (header.number !== number || previous !== number - 1) {
          throw new Error('a file of the journal is missing before it');
        }
        const segment = new Segment(path, header);
        this.present.push(segment);
        yield { segment, lines: linesOf(decodeFrames(file, header)) };
      } catch (error) {
        throw error instanceof JournalError ? error : damage(path, error);
      }
    }
  }

  /** Makes the file that is written to: what a former process has left is not written to again. */
  async start(): Promise<void> {
    const number = (this.present.at(-1)?.header.number ?? 0) + 1;
    this.present.push(await this.create(number, this.bytes));
  }

  /**
   * One at a time.
   *
   * @returns the file that it is in, on disk
   * @throws what the disk did
   */
  async append(payload: string): Promise<Segment> {
    const payloadBytes = Buffer.byteLength(payload);
    let segment = this.youngest;
    if (!segment.takes(payloadBytes)) {
      segment = await this.roll(payloadBytes);
    }
    await segment.append(payload, payloadBytes);
    if (segment.share >= NEXT_AT) {
      this.next ??= this.make(this.bytes);
    }
    return segment;
  }

  /** Resolves when the oldest is gone, which must hold nothing that is needed. */
  dropOldest(): Promise<void> {
    const [oldest] = this.present.splice(0, 1);
    return this.inTurn(async () => {
      await oldest?.close();
      if (oldest === undefined) {
        return;
      }
      if (oldest.header.bytes === this.bytes) {
        await rename(oldest.path, this.spare);
      } else {
        await rm(oldest.path);
      }
      await syncFolder(this.folder);
    });
  }

  async close(): Promise<void> {
    const next = await this.next?.catch(() => undefined);
    await this.housekeeping;
    await next?.close();
    await Promise.all(this.present.map((segment) => segment.close()));
  }

  private get youngest(): Segment {
    return this.present.at(-1) as Segment;
  }

  private async roll(payloadBytes: number): Promise<Segment> {
    let next = await this.takeNext();
    if (!next?.takes(payloadBytes)) {
      if (next !== undefined) {
        this.present.push(next); // empty, and its number is taken
      }
      const needed = PAGE_BYTES + frameBytes(payloadBytes);
      next = await this.make(Math.max(this.bytes, needed));
    }
    await this.youngest.close();
    this.present.push(next);
    return next;
  }

  /** The one that was made ahead. Where the disk had no room, it may have now. */
  private async takeNext(): Promise<Segment | undefined> {
    const { next } = this;
    this.next = undefined;
    return next?.catch(() => undefined);
  }

  private make(bytes: number): Promise<Segment> {
    const number = this.youngest.header.number + 1;
    const made = this.inTurn(() => this.create(number, bytes));
    made.catch(() => undefined); // whoever needs it sees
    return made;
  }

  private create(number: number, bytes: number): Promise<Segment> {
    const header = { number, bytes, salt: randomInt(2 ** 32) };
    return createSegment(this.pathOf(number), header, this.spare);
  }

  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.housekeeping.then(act);
    this.housekeeping = done.catch(() => undefined);
    return done;
  }

  private pathOf(number: number): string {
    return join(this.folder, `tasks-${String(number).padStart(9, '0')}.log`);
  }

  private get spare(): string {
    return join(this.folder, 'tasks.spare');
  }
}

function numberOf(name: string): number {
  return Number(NAME.exec(name)?.[1]);
}

function* linesOf(payloads: readonly string[]): Generator<string> {
  for (const payload of payloads) {
    yield* payload.split('\n');
  }
}

function checkFormat(path: string, file: Buffer): void {
  const format = formatOf(file);
  if (format === undefined) {
    throw new Error('it is no file of a journal');
  }
  if (format !== FORMAT) {
    throw otherFormat(path, format);
  }
}

/** A file that this version of the library can make nothing of. */
export function otherFormat(path: string, format: number): JournalError {
  return new JournalError(
    path,
    `has format ${format}, and this version of the library knows ${FORMAT} only. Nothing was ` +
      'changed. Use a version that knows it, or give this one another path.',
  );
}

function damage(path: string, cause: unknown): JournalError {
  const { message, code } = cause as { message: string; code?: string };
  if (code !== undefined) {
    return new JournalError(path, `cannot be read: ${message}.`, { cause });
  }
  return new JournalError(
    path,
    `is damaged: ${message}. No task was removed. Move it away to start without what is in it, or ` +
      'put a backup in its place.',
    { cause },
  );
}
