import { randomUUID } from 'node:crypto';
import { statSync, truncateSync, type BigIntStats } from 'node:fs';
import { chmod, mkdtemp, readdir, rm, symlink, truncate } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { JournalError } from '../../errors/storage.errors.js';

/** The system allows little more for the path of a socket. */
const LONGEST_SOCKET_PATH = 100;
const SOCKET = /^lock-[\da-f]{8}\.sock$/;
/** Whoever waits asks again after so long, where the owner cannot tell that it has gone: in milliseconds. */
const ASK_AGAIN_MS = 200;

/** Where the journal says who has it. */
export interface OwnerEntry {
  read(): string | undefined;
  /** In one step, also for other processes. @returns whether `expected` still stood there */
  replace(expected: string | undefined, owner: string | undefined): boolean;
}

/**
 * Keeps a second process out of the journal: LMDB itself would let it in. The owner listens on a
 * socket beside the file and writes its path into the journal. A socket rather than a process id,
 * because the system lets go of it however the process ends, and because in two containers that share
 * a folder both processes are number 1. It is found in the folder, however that is spelt, and by the
 * entry where another folder leads to the same file. The entry is also what makes one of two
 * processes that find a dead owner at the same moment the winner.
 */
export class JournalLock {
  private server: Server | undefined;
  /** Of others, who want to know when this process has gone. */
  private readonly waiting = new Set<Socket>();
  private readonly folder: string;
  private readonly socket: string;
  private entry: OwnerEntry | undefined;
  private locked: BigIntStats | undefined;
  /** How much somebody has left of the file. */
  private cutTo: number | undefined;

  /** @param file where it really is */
  constructor(private readonly file: string) {
    this.folder = dirname(file);
    this.socket = join(this.folder, `lock-${randomUUID().slice(0, 8)}.sock`);
  }

  /**
   * Resolves when nobody has the journal: a process that is about to end lets go of it.
   *
   * @param patienceMs how long it is waited for
   * @param onWait told that it is, once
   * @throws JournalError where another process still has it then
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
          `is in use by another process or application${isWaiting ? `, after ${patienceMs} ms still` : ''}. ` +
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

  /** @throws JournalError where another process has taken the journal meanwhile */
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
    // Of owners that were killed.
    await Promise.all(
      (await this.sockets())
        .filter((path) => path !== this.socket)
        .map((path) => rm(path, { force: true })),
    );
  }

  /**
   * What has become of the journal since it was taken, if this process has it no longer: what is
   * written then would be found by nobody.
   */
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
      // Until it is closed: a look at what is missing would end the process.
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

  /** From here on another process may have the journal, once {@link close} has told it. */
  free(): void {
    try {
      if (this.locked !== undefined && this.problem() === undefined) {
        this.entry?.replace(this.nameIn(this.locked), undefined);
      }
    } catch {
      // A full disk does not take it. Nobody will answer at the socket any more: that is enough.
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

  /** The socket of whoever has the journal, if somebody has. */
  private async owner(): Promise<string | undefined> {
    const sockets = await this.sockets();
    const named = this.entry?.read();
    const file = statOf(this.file);
    if (named !== undefined && file !== undefined && named.startsWith(identityOf(file))) {
      sockets.push(named.slice(identityOf(file).length)); // another folder has the same file
    }
    for (const path of sockets) {
      if (await isAlive(path)) {
        return path;
      }
    }
    return undefined;
  }

  /** What stands in the journal: of a copy of its file it is not true. */
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

  /** Somebody has removed the socket, and the next process would find none. */
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
    return undefined; // a folder that may not be entered any more
  }
}

/** Whoever cannot be asked counts as alive: two owners are worse than none. */
function isAlive(path: string): Promise<boolean> {
  return ask(path, (socket) => {
    socket.destroy();
    return true;
  });
}

/** Resolves when the owner has let go of its socket, or after a while. */
async function whenGone(path: string, patienceMs: number): Promise<void> {
  await ask(path, (socket) =>
    new Promise<void>((done) => {
      socket.once('close', done).setTimeout(patienceMs, () => socket.destroy());
    }).then(() => true),
  );
  await new Promise((done) => setTimeout(done, Math.min(patienceMs, ASK_AGAIN_MS)));
}

/** @returns what `talk` made of the owner at that socket, or `false` where nobody is there */
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

/** Where a path is too long for a socket, it is reached through a short link to its folder. */
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
