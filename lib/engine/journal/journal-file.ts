import { open, type FileHandle } from 'node:fs/promises';

/** Each of the two first pages begins with a header of this size, and a description of the file. */
const PAGE_HEADER = 24;
const MAGIC = 0xbeefc0de;
const AT = { magic: PAGE_HEADER, pageSize: PAGE_HEADER + 24, lastPage: PAGE_HEADER + 120 } as const;
const DESCRIPTION = PAGE_HEADER + 128;

/**
 * LMDB maps the file into memory and trusts it: one that is no LMDB file, or has lost its end, takes
 * the process down with a signal instead of an error. So its description is read before it is opened,
 * and a file that is shorter than it says is filled up with zeros, which LMDB does report.
 *
 * @returns what is wrong with it, if anything is
 */
export async function problemOfFile(path: string): Promise<string | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
  try {
    const { size } = await file.stat();
    if (size === 0) {
      return undefined;
    }
    const first = await describe(file, 0);
    const second = first && (await describe(file, first.pageSize));
    if (first === undefined || second === undefined) {
      return 'it is not an LMDB file';
    }
    const expected = (Math.max(first.lastPage, second.lastPage) + 1) * first.pageSize;
    if (size < expected) {
      await file.truncate(expected);
    }
    return undefined;
  } finally {
    await file.close();
  }
}

async function describe(
  file: FileHandle,
  position: number,
): Promise<{ pageSize: number; lastPage: number } | undefined> {
  const { buffer, bytesRead } = await file.read(
    Buffer.alloc(DESCRIPTION),
    0,
    DESCRIPTION,
    position,
  );
  const pageSize = buffer.readUInt32LE(AT.pageSize);
  const lastPage = Number(buffer.readBigUInt64LE(AT.lastPage));
  const isSound =
    bytesRead === DESCRIPTION &&
    buffer.readUInt32LE(AT.magic) === MAGIC &&
    pageSize >= 256 &&
    pageSize <= 65_536 &&
    lastPage < 2 ** 40;
  return isSound ? { pageSize, lastPage } : undefined;
}
