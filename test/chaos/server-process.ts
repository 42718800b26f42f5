import { spawn, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../../', import.meta.url);
const PROGRAM = '.cache/compiled/test/chaos/server.js';

export interface ServerSetting {
  readonly engine: string;
  /** The address of the server that keeps the tasks. */
  readonly url?: string;
  /** The role of the process; by default both. */
  readonly role?: 'producer' | 'worker' | 'both';
  /** Each task fails. */
  readonly fails?: boolean;
  /** Overrides the default. */
  readonly holdMs?: number;
  /** Overrides the default. */
  readonly maxStarts?: number;
  /** The folder of an embedded store. */
  readonly folder: string;
  /** The file that gets a line for each task that ran. */
  readonly recordFile: string;
  readonly longestTaskMs: number;
  readonly drainTimeoutMs: number;
}

export interface Reply {
  readonly status: number;
  readonly body: string;
}

/** The server, in a process of its own. */
export class ServerProcess {
  output = '';
  /** Resolves to the exit of the process. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 64 });
  private port = 0;

  private constructor(private readonly child: ChildProcess) {
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.agent.destroy();
        resolve({ code, signal });
      });
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
  }

  /**
   * @param nodeOptions Node.js options
   * @throws Error with the output of the process if it ends before it listens
   */
  static async start(
    setting: ServerSetting,
    nodeOptions: readonly string[] = [],
  ): Promise<ServerProcess> {
    const child = spawn(process.execPath, [...nodeOptions, PROGRAM, JSON.stringify(setting)], {
      cwd: fileURLToPath(ROOT),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const server = new ServerProcess(child);
    const listening = new Promise<void>((resolve) => {
      child.stdout?.on('data', () => {
        server.port = Number(/listening (\d+)/.exec(server.output)?.[1] ?? 0);
        if (server.port > 0) {
          resolve();
        }
      });
    });
    const ended = await Promise.race([listening, server.ended]);
    if (ended !== undefined) {
      throw new Error(`The server ended with ${ended.code ?? ended.signal}: ${server.output}`);
    }
    return server;
  }

  /** @throws Error if the connection breaks before the answer is complete */
  send(method: 'GET' | 'POST', path: string): Promise<Reply> {
    const { port, agent } = this;
    return new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port, path, method, agent }, (response) => {
        let body = '';
        response
          .setEncoding('utf8')
          .on('data', (text: string) => (body += text))
          .once('end', () => resolve({ status: response.statusCode ?? 0, body }))
          .once('error', reject);
      })
        .once('error', reject)
        .end();
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** The lines of a record file. */
export async function linesOf(recordFile: string): Promise<string[]> {
  const text = await readFile(recordFile, 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}
