// A server in a process of its own. It is started on a free local port, its output is read, and it
// is ended by its id.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const SERVERS = dirname(fileURLToPath(import.meta.url));
export const ROOT = join(SERVERS, '../..');

const START_MS = 60_000;
const PRINT_MS = 60_000;

export class ServerProcess {
  #child;
  #waiting = [];
  output = '';

  constructor(command, args, { cwd, env } = {}) {
    this.#child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.output += text;
        this.#lookAgain();
      });
    }
    this.#child.once('close', () => this.#lookAgain());
    this.#child.once('error', () => this.#lookAgain());
  }

  get pid() {
    return this.#child.pid;
  }

  /** Resolves when `pattern`, which is global, has been printed this often. */
  async untilPrinted(pattern, count = 1) {
    const deadline = AbortSignal.timeout(PRINT_MS);
    deadline.addEventListener('abort', () => this.#lookAgain());
    while ((this.output.match(pattern) ?? []).length < count) {
      if (deadline.aborted) throw new Error(`Too little was printed:\n${this.output}`);
      if (this.#child.exitCode !== null || this.#child.pid === undefined) {
        throw new Error(`The server ended:\n${this.output}`);
      }
      await new Promise((resolve) => this.#waiting.push(resolve));
    }
  }

  async untilAnswering(url) {
    for (const deadline = Date.now() + START_MS; Date.now() < deadline;) {
      try {
        await (await fetch(url)).arrayBuffer();
        return;
      } catch {
        if (this.#child.exitCode !== null) throw new Error(`The server ended:\n${this.output}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    throw new Error(`Nobody answers at ${url}:\n${this.output}`);
  }

  async end() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await closed;
  }

  #lookAgain() {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

export function hasUvicorn() {
  return spawnSync('uvicorn', ['--version']).status === 0;
}

/** The load generator of some benchmarks. */
export function requireAb() {
  if (spawnSync('ab', ['-V']).status === 0) return;
  console.error('ab is not installed: apt-get install apache2-utils');
  process.exit(1);
}

export function startUvicorn(app, port) {
  return new ServerProcess(
    'uvicorn',
    `--app-dir ${SERVERS} --host 127.0.0.1 --port ${port} --log-level warning --no-access-log ${app}`.split(
      ' ',
    ),
  );
}

export function startNode(args, options) {
  return new ServerProcess(process.execPath, args, options);
}

/** Runs the sample as `npm start` does, in a directory of its own. */
export function startSample(port, adapter, cwd) {
  const register = pathToFileURL(join(ROOT, 'node_modules/@oxc-node/core/register.mjs')).href;
  return startNode(['--import', register, join(ROOT, 'sample/main.ts')], {
    cwd,
    env: {
      PORT: String(port),
      ADAPTER: adapter,
      NO_COLOR: '1',
      OXC_TSCONFIG_PATH: join(ROOT, 'tsconfig.json'),
    },
  });
}
