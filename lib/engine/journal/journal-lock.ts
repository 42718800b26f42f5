import { randomUUID } from 'node:crypto';
import { statSync, truncateSync, type BigIntStats } from 'node:fs';
import { chmod, mkdtemp, readdir, rm, symlink, truncate } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { JournalError } from '../../errors/storage.errors.js';

/** Systems allow little more for the path of a socket. */
const LONGEST_SOCKET_PATH = 100;
const SOCKET = /^lock-[\da-f]{8}\.sock$/;
/** The interval of polling an owner that cannot signal its end, in milliseconds. */
const ASK_AGAIN_MS = 200;

/** The journal's record of its owner. */
export interface OwnerEntry {
  read(): string | undefined;
  /** Atomic across processes. @returns false if the entry was not `expected` */
  replace(expected: string | undefined, owner: string | undefined): boolean;
}

/**
 * Keeps a second process out of the journal; LMDB itself would let it in. The owner listens on a
 * socket beside the file, and records the socket's path in the journal. A process id would not do:
 * the system closes a socket however the process ends, and in two containers that share a folder
 * both processes have id 1. Other processes find the socket in the folder, however its path is
 * spelt, and by the entry if another folder leads to the same file. The entry also decides which of
 * two processes wins that find a dead owner at the same moment.
 */
export class JournalLock {
  private server: Server | undefined;
  /** Connections of other processes that wait for this one to end. */
  private readonly waiting = new Set<Socket>();
  private readonly folder: string;
  private readonly socket: string;
  private entry: OwnerEntry | undefined;
  private locked: BigIntStats | undefined;
  /** The size to which the file was cut off by someone else. */
  private cutTo: number | undefined;

  /** @param file the real path, with all links resolved */
  constructor(private readonly file: string) {
    this.folder = dirname(file);
    this.socket = join(this.folder, `lock-${randomUUID().slice(0, 8)}.sock`);
  }

  /**
   * Resolves when no process has the journal: one that is ending lets go of it.
   *
   * @param patienceMs how long to wait
   * @param onWait called once if there is something to wait for
   * @throws JournalError if another process still has the journal then
   */
  async whenFree(patienceMs: number, onWait: (patienceMs: number) => void): Promise<void> {
    const until = performance.now() + patienceMs;
    let isWaiting = false;
    for (;;) {
      const owner = await this.owner();
      if (owner === undefined) {
        return;
      }
      const restMs = until - performance.now();
      if (restMs <= 0) {
        throw new JournalError(
          this.file,
          `is in use by another process or application${isWaiting ? `, still after ${patienceMs} ms` : ''}. ` +
            'A journal belongs to one at a time: give each a path of its own.',
        );
      }
      if (!isWaiting) {
        isWaiting = true;
        onWait(patienceMs);
      }
      await whenGone(owner, restMs);
    }
  }

  /** @throws JournalError if another process has taken the journal meanwhile */
  async take(entry: OwnerEntry, patienceMs: number, onWait: (ms: number) => void): Promise<void> {
    this.entry = entry;
    await this.whenFree(patienceMs, onWait);
    const former = entry.read();
    const locked = statSync(this.file, { bigint: true });
    await this.listen();
    if (!entry.replace(former, this.nameIn(locked))) {
      await this.close();
      throw new JournalError(this.file, 'was taken by another process at the same moment.');
    }
    this.locked = locked;
    // Sockets of killed owners.
    await Promise.all(
      (await this.sockets())
        .filter((path) => path !== this.socket)
        .map((path) => rm(path, { force: true })),
    );
  }

  /** Why this process no longer has the journal, if so: nobody would find what is written now. */
  problem(): string | undefined {
    const { file, locked, entry } = this;
    if (locked === undefined) {
      return undefined;
    }
    const now = statOf(file);
    if (now === undefined) {
      return 'is gone: its folder or its file was removed or moved away';
    }
    if (now.ino !== locked.ino || now.dev !== locked.dev) {
      return 'was replaced: another file or folder stands at its path';
    }
    if (now.size < locked.size) {
      // Extended until the close: reading a missing page would kill the process.
      this.cutTo ??= Number(now.size);
      truncateSync(file, Number(locked.size));
    }
    if (this.cutTo !== undefined) {
      return 'was cut off: its file is shorter than it was';
    }
    this.locked = now;
    if (statOf(this.socket) !== undefined || process.platform === 'win32') {
      return undefined;
    }
    if (entry?.read() !== this.nameIn(now)) {
      return 'was taken over by another process, after the socket that locked it had been removed';
    }
    void this.listenAgain();
    return undefined;
  }

  /** Clears the entry. Another process may take the journal once {@link close} has told it. */
  free(): void {
    try {
      if (this.locked !== undefined && this.problem() === undefined) {
        this.entry?.replace(this.nameIn(this.locked), undefined);
      }
    } catch {
      // A full disk refuses the write. Closing the socket is enough.
    }
    this.locked = undefined;
  }

  async close(): Promise<void> {
    const { server, cutTo } = this;
    if (cutTo !== undefined) {
      await truncate(this.file, cutTo); // as it was found
    }
    this.server = undefined;
    if (server !== undefined) {
      const closed = new Promise<void>((done) => {
        server.close(() => done());
      });
      this.waiting.forEach((socket) => socket.destroy());
      await closed;
      await rm(this.socket, { force: true });
    }
  }

  /** The socket of the current owner, if there is one. */
  private async owner(): Promise<string | undefined> {
    const sockets = await this.sockets();
    const named = this.entry?.read();
    const file = statOf(this.file);
    if (named !== undefined && file !== undefined && named.startsWith(identityOf(file))) {
      sockets.push(named.slice(identityOf(file).length)); // another folder leads to the same file
    }
    for (const path of sockets) {
      if (await isAlive(path)) {
        return path;
      }
    }
    return undefined;
  }

  /** The entry. It contains the file's identity, so it is not valid in a copy of the file. */
  private nameIn(file: BigIntStats): string {
    return `${identityOf(file)}${this.socket}`;
  }

  private async sockets(): Promise<string[]> {
    const names = await readdir(this.folder);
    return names.filter((name) => SOCKET.test(name)).map((name) => join(this.folder, name));
  }

  private async listen(): Promise<void> {
    const server = createServer((socket) => {
      this.waiting.add(socket.unref());
      socket.once('close', () => this.waiting.delete(socket)).on('error', () => undefined);
    });
    // The lock alone must not keep the process alive.
    server.unref();
    this.server = server;
    try {
      await reached(this.socket, (path) =>
        new Promise<void>((done, fail) => {
          server.once('error', fail).listen(path, done);
        }).then(() => chmod(path, 0o600)),
      );
    } catch (cause) {
      throw new JournalError(this.file, `cannot be locked: ${String(cause)}`, { cause });
    }
  }

  /** Called when the socket was removed: the next process would find no owner. */
  private async listenAgain(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    server?.close();
    await this.listen().catch(() => undefined);
  }
}

function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}:`;
}

function statOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined; // the folder may no longer be accessible
  }
}

/** An owner that cannot be asked counts as alive: two owners are worse than none. */
function isAlive(path: string): Promise<boolean> {
  return ask(path, (socket) => {
    socket.destroy();
    return true;
  });
}

/** Resolves when the owner has closed its socket, or after a while. */
async function whenGone(path: string, patienceMs: number): Promise<void> {
  await ask(path, (socket) =>
    new Promise<void>((done) => {
      socket.once('close', done).setTimeout(patienceMs, () => socket.destroy());
    }).then(() => true),
  );
  await new Promise((done) => setTimeout(done, Math.min(patienceMs, ASK_AGAIN_MS)));
}

/** @returns the result of `talk` with the owner at that socket, or `false` if there is none */
function ask<T>(path: string, talk: (owner: Socket) => T | Promise<T>): Promise<T | boolean> {
  return reached(
    path,
    (reachable) =>
      new Promise<T | boolean>((done) => {
        const socket = connect(reachable);
        socket.once('connect', () => done(talk(socket)));
        socket.once('error', ({ code }: NodeJS.ErrnoException) => {
          done(code !== 'ECONNREFUSED' && code !== 'ENOENT' && code !== 'ENOTDIR');
        });
      }),
  );
}

/** Reaches a path that is too long for a socket through a short link to its folder. */
async function reached<T>(path: string, use: (path: string) => Promise<T>): Promise<T> {
  if (process.platform === 'win32') {
    return use(`\\\\.\\pipe\\bgt-${path.toLowerCase().replaceAll(/[\\/:]/g, '-')}`);
  }
  if (Buffer.byteLength(path) <= LONGEST_SOCKET_PATH) {
    return use(path);
  }
  const place = await mkdtemp(join(tmpdir(), 'bgt-'));
  try {
    const link = join(place, 'to');
    await symlink(dirname(path), link);
    return await use(join(link, basename(path)));
  } finally {
    await rm(place, { recursive: true });
  }
}
