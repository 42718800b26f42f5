import {
  access,
  chmod,
  constants,
  mkdir,
  open,
  realpath,
  rm,
  stat,
  writeFile,
  type FileHandle,
} from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { JournalError } from '../../errors/storage.errors.js';

const FILE = 'tasks.mdb';
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
/** At least as long as LMDB makes its lock file, which it then maps. */
const LOCK_BYTES = 16_384;
/** More than LMDB writes before it can report that the disk is full. */
const FIRST_BYTES = 32_768;

/**
 * LMDB trusts its files: where it cannot open, map or fill one, or finds another one in its place, it
 * takes the process down with a signal instead of an error. So all that is looked at before, and what
 * is missing is made here, for nobody else to read.
 *
 * @returns where the journal really is, whatever links lead to it
 * @throws JournalError that names what cannot be used
 */
export async function prepareFolder(folder: string): Promise<string> {
  const path = resolve(folder);
  try {
    await makeFolder(path);
    await check(path, 'folder');
    const file = await made(join(path, FILE), 0);
    await check(file, 'file');
    return await realpath(file);
  } catch (cause) {
    throw unusable(path, cause);
  }
}

/**
 * One level after the other: `recursive` tries for ever where a folder is there and says of what is to
 * be made in it that it is not, as `/proc` does.
 */
async function makeFolder(path: string): Promise<void> {
  const missing: string[] = [];
  for (let each = path; (await statOf(each)) === undefined && each !== dirname(each);) {
    missing.unshift(each);
    each = dirname(each);
  }
  for (const each of missing) {
    try {
      await mkdir(each, { mode: FOLDER_MODE });
      await chmod(each, FOLDER_MODE); // the umask may have taken more
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw error;
      }
      // Another first start has made it meanwhile.
    }
  }
}

/**
 * Once no other process has the journal.
 *
 * @returns whether its file was used before and is empty now: what it held is lost
 * @throws JournalError that names what cannot be used
 */
export async function prepareFiles(path: string): Promise<boolean> {
  const problem = await problemOf(path);
  if (problem !== undefined) {
    throw new JournalError(
      path,
      `is damaged: ${problem}. No task was removed. Move it away to start with an empty one, or put ` +
        'a backup in its place.',
    );
  }
  const lock = `${path}-lock`;
  const wasUsed = ((await statOf(lock))?.size ?? 0) > 0;
  await made(lock, LOCK_BYTES);
  await check(lock, 'file');
  const isEmpty = (await stat(path)).size === 0;
  if (isEmpty) {
    await checkRoom(`${path}-room`);
  }
  return wasUsed && isEmpty;
}

/** LMDB does not live through its first pages' not being taken. */
async function checkRoom(path: string): Promise<void> {
  try {
    await writeFile(path, Buffer.alloc(FIRST_BYTES), { mode: FILE_MODE, flush: true });
  } catch (cause) {
    throw unusable(path, cause);
  } finally {
    await rm(path, { force: true });
  }
}

/** @throws JournalError where it is not what it has to be, or not this process's to write */
async function check(path: string, kind: 'file' | 'folder'): Promise<void> {
  try {
    const found = await stat(path);
    if (kind === 'file' ? !found.isFile() : !found.isDirectory()) {
      throw new Error(`it is not a ${kind}`);
    }
    const { R_OK, W_OK, X_OK } = constants;
    // oxlint-disable-next-line no-bitwise -- what access() takes
    await access(path, kind === 'file' ? R_OK | W_OK : R_OK | W_OK | X_OK);
    if (kind === 'file') {
      await keepToOwner(path, found);
    }
  } catch (cause) {
    throw unusable(path, cause);
  }
}

/** Others could read what tasks are called with. Where it is somebody else's file, that is theirs to say. */
async function keepToOwner(path: string, { mode, uid }: Stats): Promise<void> {
  // oxlint-disable-next-line no-bitwise -- a mode is bits
  if ((mode & 0o077) !== 0 && uid === process.getuid?.()) {
    await chmod(path, FILE_MODE);
  }
}

/**
 * Made if it is not there, and filled up to `bytes`: a file that is mapped must have its place on the
 * disk, or a full one ends the process.
 *
 * @returns `path`
 */
async function made(path: string, bytes: number): Promise<string> {
  try {
    const found = await statOf(path);
    // Once opened and closed here, a file that another application of this process has open is not
    // locked by this process any more: so only what nobody can be using.
    if (found === undefined || (found.isFile() && found.size < bytes)) {
      const file = await open(path, found === undefined ? 'wx' : 'r+', FILE_MODE);
      try {
        await file.chmod(FILE_MODE);
        if (bytes > 0) {
          await file.writeFile(Buffer.alloc(bytes)); // all of it, or an error
          await file.datasync();
        }
      } finally {
        await file.close();
      }
    }
    return path;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') {
      return path; // another first start has made it meanwhile
    }
    throw unusable(path, cause);
  }
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}

function unusable(path: string, cause: unknown): JournalError {
  if (cause instanceof JournalError) {
    return cause;
  }
  const { code, message } = cause as NodeJS.ErrnoException;
  const isForbidden = code === 'EACCES' || code === 'EPERM';
  const remedy = isForbidden
    ? ` The process runs as user ${process.getuid?.() ?? 'unknown'}: give it the folder and all files in it.`
    : '';
  return new JournalError(path, `cannot be opened: ${message}.${remedy}`, { cause });
}

/** Each of the two first pages begins with a header of this size, and a description of the file. */
const PAGE_HEADER = 24;
const MAGIC = 0xbeefc0de;
const AT = {
  magic: PAGE_HEADER,
  pageSize: PAGE_HEADER + 24,
  roots: [PAGE_HEADER + 64, PAGE_HEADER + 112],
  lastPage: PAGE_HEADER + 120,
} as const;
const DESCRIPTION = PAGE_HEADER + 128;
const NO_ROOT = 2n ** 64n - 1n;

/**
 * The description of a file is read before LMDB does, and a file that is shorter than it says is filled
 * up with zeros, which LMDB does report.
 *
 * @returns what is wrong with it, if anything is
 */
async function problemOf(path: string): Promise<string | undefined> {
  const file = await open(path, 'r+');
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
    lastPage < 2 ** 40 &&
    AT.roots.every((at) => isPage(buffer.readBigUInt64LE(at), lastPage));
  return isSound ? { pageSize, lastPage } : undefined;
}

function isPage(root: bigint, lastPage: number): boolean {
  return root === NO_ROOT || root <= BigInt(lastPage);
}
