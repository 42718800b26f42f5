import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestServer } from '../support/servers.js';
import { balanceOf, Load, type Balance } from './load.js';
import { linesOf, ServerProcess, type ServerSetting } from './server-process.js';

const SHORTEST_MS = 50;
const LONGEST_MS = 1_000;

/** Starts processes and ends them, by force or in an orderly way, while requests come in. */
export class Rounds {
  readonly load = new Load();
  private readonly running = new Set<ServerProcess>();

  private constructor(readonly setting: ServerSetting) {}

  /** @param own settings that differ from those of most of these programs */
  static async prepare(
    engine: string,
    store?: TestServer,
    own: Partial<ServerSetting> = {},
  ): Promise<Rounds> {
    const folder = await mkdtemp(join(tmpdir(), 'bgt-chaos-'));
    return new Rounds({
      engine,
      ...(store && { url: store.url }),
      folder,
      recordFile: join(folder, 'record'),
      longestTaskMs: 20,
      drainTimeoutMs: 10_000,
      ...own,
    });
  }

  /**
   * @param nodeOptions Node.js options
   * @throws Error if the process ends before it listens
   */
  async start(
    role: ServerSetting['role'] = 'both',
    nodeOptions: readonly string[] = [],
    own: Partial<ServerSetting> = {},
  ): Promise<ServerProcess> {
    const server = await ServerProcess.start({ ...this.setting, role, ...own }, nodeOptions);
    this.running.add(server);
    void server.ended.then(() => this.running.delete(server));
    return server;
  }

  /**
   * Starts one process that answers and runs tasks and, if the engine is shared, another that runs
   * some.
   */
  async killServers(rounds: number): Promise<void> {
    for (let round = 1; round <= rounds; round += 1) {
      const [server, worker] = await Promise.all([
        this.start(),
        this.setting.url === undefined ? undefined : this.start('worker'),
      ]);
      const under = this.load.run(server);
      await this.untilAcknowledged(this.load.acknowledged.size + 1, server);
      await Promise.all([killSoon(server), worker && killSoon(worker), under]);
    }
  }

  /**
   * Lets so many tasks fail, and kills the process that runs them again in the middle of it. Another one runs the rest.
   *
   * @returns how many are neither recorded nor listed as failed, and how many of them are listed
   */
  async killRetrying(count: number): Promise<{ readonly lost: number; readonly failed: number }> {
    const { recordFile } = this.setting;
    const failing = await this.start('both', [], { fails: true });
    const ids = Array.from({ length: count }, (_, id) => `${id}`);
    await Promise.all(ids.map((id) => failing.send('POST', `/record/${id}`)));
    await failing.send('GET', '/idle');
    await killNow(failing);

    const killed = await this.start();
    killed.send('POST', '/retry-all').catch(() => undefined); // its connection ends with the process
    while ((await linesOf(recordFile)).length < count / 4) {
      await sleep(5);
    }
    await killNow(killed);

    const last = await this.start();
    await last.send('POST', '/retry-all');
    await last.send('GET', '/idle');
    const recorded = new Set(await linesOf(recordFile));
    const failed = JSON.parse((await last.send('GET', '/failed')).body) as unknown[];
    return { lost: count - recorded.size - failed.length, failed: failed.length };
  }

  /** @throws Error if the server does not survive */
  async killStore(rounds: number, victim: TestServer, how: 'kill' | 'stop'): Promise<void> {
    const server = await this.start();
    const under = this.load.run(server);
    for (let round = 1; round <= rounds; round += 1) {
      await sleep(randomMs());
      await victim[how]();
      // This may take longer than a request may wait.
      await sleep(3 * randomMs());
      await victim.start();
      await this.untilAcknowledged(this.load.acknowledged.size + 50, server);
    }
    this.load.stop();
    await under;
    if (!this.running.has(server) || this.load.cutOff > 0) {
      throw new Error(`The server did not live through it: ${server.output}`);
    }
    server.kill('SIGTERM');
    await server.ended;
  }

  /** Resolves when so many tasks are acknowledged. More come in, unless clients are to stop. */
  async terminateUnderLoad(count: number, isToStop = false): Promise<void> {
    const server = await this.start();
    const under = this.load.run(server);
    await this.untilAcknowledged(count, server);
    if (isToStop) {
      this.load.stop();
    }
    server.kill('SIGTERM');
    await server.ended;
    await under;
  }

  /** The fate of the tasks so far. */
  async balance(): Promise<Balance> {
    return balanceOf(this.load.acknowledged, await linesOf(this.setting.recordFile));
  }

  /**
   * The fate of all tasks, after another process has run the remaining ones, and the tasks it gave
   * up.
   */
  async settle(): Promise<Balance & { readonly given: readonly unknown[] }> {
    const last = await this.start();
    await last.send('GET', '/idle');
    const given = JSON.parse((await last.send('GET', '/failed')).body) as unknown[];
    last.kill('SIGTERM');
    await last.ended;
    return { ...(await this.balance()), given };
  }

  async end(): Promise<void> {
    for (const server of this.running) {
      server.kill('SIGKILL');
      await server.ended;
    }
    await rm(this.setting.folder, { recursive: true, force: true });
  }

  /** Load has no events, so it is polled every few milliseconds. */
  private async untilAcknowledged(count: number, server: ServerProcess): Promise<void> {
    while (this.load.acknowledged.size < count && this.running.has(server)) {
      await sleep(5);
    }
  }
}

async function killSoon(server: ServerProcess): Promise<void> {
  await sleep(randomMs());
  await killNow(server);
}

async function killNow(server: ServerProcess): Promise<void> {
  server.kill('SIGKILL');
  await server.ended;
}

function randomMs(): number {
  return SHORTEST_MS + Math.random() * (LONGEST_MS - SHORTEST_MS);
}
