import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { JournalError } from '../../errors/storage.errors.js';

/** The system allows little more for the path of a socket. */
const LONGEST_SOCKET_PATH = 100;

/**
 * Keeps a second process out of the journal: LMDB itself would let it in. A socket rather than a
 * file with a process id, because the system lets go of it however the process ends, and because in
 * two containers that share a folder both processes are number 1.
 */
export class JournalLock {
  private server: Server | undefined;

  constructor(private readonly folder: string) {}

  /** @throws JournalError where another process has the journal */
  async take(): Promise<void> {
    const path = socketPath(this.folder);
    if (await this.listen(path)) {
      return;
    }
    if (await isAnswered(path)) {
      throw new JournalError(
        this.folder,
        'is in use by another process. A journal belongs to one process at a time: give each a path ' +
          'of its own.',
      );
    }
    // Left behind by a process that was killed.
    await rm(path, { force: true });
    if (!(await this.listen(path))) {
      throw new JournalError(this.folder, 'was taken by another process at the same moment.');
    }
  }

  async free(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server !== undefined) {
      await new Promise<void>((done) => {
        server.close(() => done());
      });
    }
  }

  private listen(path: string): Promise<boolean> {
    const server = createServer((socket) => socket.destroy());
    // The lock alone must not keep the process alive.
    server.unref();
    return new Promise((done, fail) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE') {
          done(false);
        } else {
          fail(
            new JournalError(this.folder, `cannot be locked: ${error.message}`, { cause: error }),
          );
        }
      });
      server.listen(path, () => {
        this.server = server;
        done(true);
      });
    });
  }
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}

function socketPath(folder: string): string {
  const absolute = resolve(folder);
  const name = `bgt-${createHash('sha256').update(absolute).digest('hex').slice(0, 16)}`;
  if (process.platform === 'win32') {
    return `\\\\.\\pipe\\${name}`;
  }
  const inside = join(absolute, 'lock.sock');
  return inside.length <= LONGEST_SOCKET_PATH ? inside : join(tmpdir(), `${name}.sock`);
}
