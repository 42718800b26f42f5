import {
  access,
  chmod,
  constants,
  mkdir,
  open,
  readlink,
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
/** At least the size of LMDB's lock file, which LMDB maps into memory. */
const LOCK_BYTES = 16_384;
/** More than LMDB writes before it can report a full disk. */
const FIRST_BYTES = 32_768;

/**
 * LMDB trusts its files: if it cannot open, map or fill one, or finds another file in its place, it
 * kills the process with a signal instead of an error. So the files are checked first, and missing
 * ones are created here, readable by the owner only.
 *
 * @returns the real path of the journal, with all links resolved
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
 * Creates one level after the other: `recursive` loops for ever if the parent exists and yet
 * answers ENOENT, as `/proc` does.
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
      await chmod(each, FOLDER_MODE); // the umask may have removed more
    } catch (error) {
      await expectMade(each, error); // another process has created it meanwhile
    }
  }
}

/**
 * Must be called when no other process has the journal.
 *
 * @returns whether the file was used before and is empty now: its tasks are lost
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

/** LMDB crashes if it cannot write its first pages. */
async function checkRoom(path: string): Promise<void> {
  try {
    await writeFile(path, Buffer.alloc(FIRST_BYTES), { mode: FILE_MODE, flush: true });
  } catch (cause) {
    throw unusable(path, cause);
  } finally {
    await rm(path, { force: true });
  }
}

/** @throws JournalError if it is of another kind, or this process may not write it */
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

/** Other users could read the arguments of tasks. The mode of another user's file is left alone. */
async function keepToOwner(path: string, { mode, uid }: Stats): Promise<void> {
  // oxlint-disable-next-line no-bitwise -- a mode is bits
  if ((mode & 0o077) !== 0 && uid === process.getuid?.()) {
    await chmod(path, FILE_MODE);
  }
}

/**
 * Creates the file if it is missing, and fills it up to `bytes`: a mapped file needs its space on
 * disk, or a full disk ends the process.
 *
 * @returns `path`
 */
async function made(path: string, bytes: number): Promise<string> {
  try {
    const found = await statOf(path);
    // Closing a file releases all locks that this process has on it, including another
    // application's. So a file that may be in use is not opened.
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
    await expectMade(path, cause).catch((error: unknown) => {
      throw unusable(path, error);
    });
    return path; // another process has created it meanwhile
  }
}

/** @throws Error where nobody else has made what could not be made here: a link stands in its place */
async function expectMade(path: string, error: unknown): Promise<void> {
  if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
    throw error;
  }
  if ((await statOf(path)) === undefined) {
    throw new Error(
      `${path} is a link to ${await readlink(path)}, which is not there. Make that, or remove the link`,
    );
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

/** Each of the first two pages has a header of this size, followed by a description of the file. */
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
 * Checks the description of a file before LMDB reads it. A file shorter than described is filled up
 * with zeros, which LMDB reports as an error.
 *
 * @returns what is wrong with the file, if anything
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
