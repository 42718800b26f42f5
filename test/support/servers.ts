import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { postgresFolder } from './programs.mjs';

/** A server that a suite starts for itself, on a free port of the loopback address. */
export interface TestServer {
  readonly url: string;
  /** Only while the server runs. */
  readonly pid: number | undefined;
  /** Starts the server unless it runs, with the data that it had. */
  start(): Promise<void>;
  /** Stops the server as a crash would. */
  kill(): Promise<void>;
  /** Stops the server cleanly: it writes its data, and closes the connections of its clients. */
  stop(): Promise<void>;
  /** The server neither answers nor closes its connections. */
  freeze(): void;
  thaw(): void;
  /** Stops the server and removes its data. */
  remove(): Promise<void>;
}

/** @param more options of `redis-server` */
export async function redisServer(...more: string[]): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'tasks-redis-'));
  const port = await freePort();
  const options = ['--bind', '127.0.0.1', '--port', `${port}`, '--dir', folder];
  // Data survive the end of the server. They need not survive that of the machine.
  const safe = ['--appendonly', 'yes', '--appendfsync', 'no', '--save', ''];
  return new Server(`redis://127.0.0.1:${port}`, port, folder, () =>
    spawn('redis-server', [...options, ...safe, '--loglevel', 'warning', ...more], {
      stdio: 'ignore',
    }),
  );
}

/** @param more options of `postgres` */
export async function postgresServer(...more: string[]): Promise<TestServer> {
  const bin = postgresFolder() ?? '';
  const folder = await mkdtemp(join(tmpdir(), 'tasks-postgres-'));
  const port = await freePort();
  const data = join(folder, 'data');
  // PostgreSQL refuses to run as root; `postgres` is the user that its packages make.
  const isRoot = process.getuid?.() === 0;
  const as = isRoot ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'] : [];
  const command = (program: string, ...args: string[]): [string, string[]] => {
    const [first = '', ...rest] = [...as, join(bin, program), ...args];
    return [first, rest];
  };
  if (isRoot) {
    run('chown', ['postgres', folder]);
  }
  run(...command('initdb', '-D', data, '-A', 'trust', '-U', 'postgres', '-N', '-E', 'UTF8'));
  // As above, data need not survive the end of the machine: no flush.
  const options = ['-D', data, '-p', `${port}`, '-h', '127.0.0.1', '-k', folder, '-F'];
  return new Server(`postgres://postgres@127.0.0.1:${port}/postgres`, port, folder, () =>
    spawn(...command('postgres', ...options, ...more), { stdio: 'ignore' }),
  );
}

class Server implements TestServer {
  private child: ChildProcess | undefined;

  constructor(
    readonly url: string,
    private readonly port: number,
    private readonly folder: string,
    private readonly launch: () => ChildProcess,
  ) {}

  get pid(): number | undefined {
    return this.child?.pid;
  }

  async start(): Promise<void> {
    if (this.child !== undefined) {
      return;
    }
    this.child = this.launch();
    const giveUpAt = Date.now() + 60_000;
    while (!(await this.answers())) {
      if (Date.now() > giveUpAt || this.child.exitCode !== null) {
        throw new Error(`The server of ${this.url} does not start.`);
      }
      await pause(20);
    }
  }

  kill(): Promise<void> {
    // PostgreSQL's children outlive a SIGKILL of their parent; SIGQUIT ends them without a clean
    // stop.
    return this.end(this.url.startsWith('postgres') ? 'SIGQUIT' : 'SIGKILL');
  }

  stop(): Promise<void> {
    // At SIGTERM PostgreSQL waits until its clients have left.
    return this.end(this.url.startsWith('postgres') ? 'SIGINT' : 'SIGTERM');
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child !== undefined && child.exitCode === null) {
      const exited = once(child, 'exit');
      child.kill(signal);
      await exited;
    }
  }

  freeze(): void {
    this.signal('SIGSTOP');
  }

  thaw(): void {
    this.signal('SIGCONT');
  }

  /** PostgreSQL answers from child processes, so they get the signal, too. */
  private signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    const { pid } = this.child ?? {};
    if (pid !== undefined) {
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
      const pids = [pid, ...children.split(' ').filter(Boolean).map(Number)];
      for (const each of pids) {
        try {
          process.kill(each, signal);
        } catch {
          // A short-lived child of PostgreSQL has ended meanwhile.
        }
      }
    }
  }

  async remove(): Promise<void> {
    this.thaw();
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Both servers accept connections before they answer on them. */
  private answers(): Promise<boolean> {
    if (this.url.startsWith('postgres')) {
      const program = join(postgresFolder() ?? '', 'pg_isready');
      const { status } = spawnSync(program, ['-q', '-h', '127.0.0.1', '-p', `${this.port}`]);
      return Promise.resolve(status === 0);
    }
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1', () => socket.write('PING\r\n'));
      const answer = (isThere: boolean): void => {
        socket.destroy();
        resolve(isThere);
      };
      socket.once('data', (data) => answer(data.toString().startsWith('+PONG')));
      socket.once('error', () => answer(false));
    });
  }
}

/**
 * A port below those that the system gives to connections, so that it stays free while its server
 * is down. The same goes for the port 10,000 above, which a node of a Redis Cluster takes as well.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 22_000);
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (isFree) {
      server.close();
      await once(server, 'close');
      return port;
    }
  }
}

function run(program: string, args: string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) {
    throw new Error(`${program} failed: ${error?.message ?? stderr}`);
  }
}
