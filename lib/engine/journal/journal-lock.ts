import { createHash, randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { JournalError } from '../../errors/storage.errors.js';

/** The system allows little more for the path of a socket. */
const LONGEST_SOCKET_PATH = 100;

/** Where the journal says who has it. */
export interface OwnerEntry {
  read(): string | undefined;
  /** In one step, also for other processes. @returns whether `expected` still stood there */
  replace(expected: string | undefined, owner: string | undefined): boolean;
}

/**
 * Keeps a second process out of the journal: LMDB itself would let it in. The owner listens on a
 * socket and writes its name into the journal. A socket rather than a process id, because the system
 * lets go of it however the process ends, and because in two containers that share a folder both
 * processes are number 1. The entry is what makes one of two processes that find a dead owner at the
 * same moment the winner.
 */
export class JournalLock {
  private server: Server | undefined;
  private readonly name = `lock-${randomUUID().slice(0, 8)}`;

  constructor(
    private readonly folder: string,
    private readonly entry: OwnerEntry,
  ) {}

  /** @throws JournalError where another process has the journal */
  async take(): Promise<void> {
    const former = this.entry.read();
    if (former !== undefined && (await isAlive(socketPath(this.folder, former)))) {
      throw new JournalError(
        this.folder,
        'is in use by another process or application. A journal belongs to one at a time: give each ' +
          'a path of its own.',
      );
    }
    await this.listen();
    if (!this.entry.replace(former, this.name)) {
      await this.close();
      throw new JournalError(this.folder, 'was taken by another process at the same moment.');
    }
    if (former !== undefined) {
      // Its owner was killed.
      await rm(socketPath(this.folder, former), { force: true });
    }
  }

  async free(): Promise<void> {
    if (this.server !== undefined) {
      try {
        this.entry.replace(this.name, undefined);
      } catch {
        // A full disk does not take it. Nobody answers at the socket any more: that is enough.
      }
      await this.close();
    }
  }

  private listen(): Promise<void> {
    const server = createServer((socket) => socket.destroy());
    // The lock alone must not keep the process alive.
    server.unref();
    this.server = server;
    return new Promise((done, fail) => {
      server.once('error', (error) => {
        fail(new JournalError(this.folder, `cannot be locked: ${error.message}`, { cause: error }));
      });
      server.listen(socketPath(this.folder, this.name), done);
    });
  }

  private async close(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    await new Promise<void>((done) => {
      server?.close(() => done());
    });
  }
}

/** Whoever cannot be asked counts as alive: two owners are worse than none. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      done(code !== 'ECONNREFUSED' && code !== 'ENOENT');
    });
  });
}

function socketPath(folder: string, name: string): string {
  const absolute = resolve(folder);
  const hash = createHash('sha256').update(absolute).digest('hex').slice(0, 16);
  if (process.platform === 'win32') {
    return `\\\\.\\pipe\\bgt-${hash}-${name}`;
  }
  const inside = join(absolute, `${name}.sock`);
  return inside.length <= LONGEST_SOCKET_PATH ? inside : join(tmpdir(), `bgt-${hash}-${name}.sock`);
}
