import { constants } from 'node:fs';
import { open, rename, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Arrivals } from '../memory/arrivals.js';
import type { JournalRecord } from './journal-record.js';
import {
  encodeFrame,
  encodeHeader,
  frameBytes,
  PAGE_BYTES,
  type SegmentHeader,
} from './segment-format.js';

/**
 * Elsewhere than on Linux the flag is missing, or stops at the cache of the drive, which `fdatasync`
 * does not.
 */
const SYNCS_EACH_WRITE = process.platform === 'linux';

/** How many bytes of zeros are written at once. */
const STRETCH_BYTES = 1_048_576;

/** One file of the journal. */
export class Segment {
  /** Those whose latest version is here. */
  readonly records = new Arrivals<JournalRecord>();
  private position = PAGE_BYTES;
  private hasFailed = false;

  constructor(
    readonly path: string,
    readonly header: SegmentHeader,
    private readonly file?: FileHandle,
  ) {}

  /** From 0 to 1. */
  get share(): number {
    return this.position / this.header.bytes;
  }

  takes(payloadBytes: number): boolean {
    return !this.hasFailed && this.position + frameBytes(payloadBytes) <= this.header.bytes;
  }

  /**
   * Resolves when it is on disk. One at a time: the next must not be there where this one is not.
   *
   * @throws what the disk did; then nothing more can be appended, as nobody knows what is there
   */
  async append(payload: string, payloadBytes: number): Promise<void> {
    const frame = encodeFrame(payload, payloadBytes, this.header.salt);
    try {
      await write(this.opened, frame, this.position);
      this.position += frame.length;
    } catch (error) {
      this.hasFailed = true;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.file?.close();
  }

  private get opened(): FileHandle {
    if (this.file === undefined) {
      throw new Error('A file of a former process is not written to.');
    }
    return this.file;
  }
}

/**
 * Makes a file ready to be appended to. It has its full size at once: a write that does not change
 * the size of its file costs the file system half as much, and a file that lost its end is found out.
 *
 * @param spare a file that may be used again, if it is there
 */
export async function createSegment(
  path: string,
  header: SegmentHeader,
  spare: string,
): Promise<Segment> {
  const { bytes } = header;
  const isThere = await stat(spare).then(
    ({ size }) => size === bytes,
    () => false,
  );
  const file = await open(spare, isThere ? 'r+' : 'w');
  try {
    if (!isThere) {
      await fill(file, bytes);
    }
    await writeAll(file, encodeHeader(header), 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(spare, path);
  await syncFolder(dirname(path));
  const flags = constants.O_WRONLY | (SYNCS_EACH_WRITE ? constants.O_DSYNC : 0);
  return new Segment(path, header, await open(path, flags));
}

/** Makes the names of files as lasting as what is in them. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') {
    return; // it knows no such thing
  }
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function fill(file: FileHandle, bytes: number): Promise<void> {
  for (let position = 0; position < bytes; position += STRETCH_BYTES) {
    const zeros = Buffer.alloc(Math.min(STRETCH_BYTES, bytes - position));
    await writeAll(file, zeros, position);
  }
}

async function write(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  await writeAll(file, bytes, position);
  if (!SYNCS_EACH_WRITE) {
    await file.datasync();
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const length = bytes.length - written;
    written += (await file.write(bytes, written, length, position + written)).bytesWritten;
  }
}
