import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { balanceOf, Load } from '../../chaos/load.js';
import { linesOf, ServerProcess, type ServerSetting } from '../../chaos/server-process.js';
import type { TestServer } from '../../support/servers.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** Processes that end, by force or as they are told, while requests come in: nothing is lost. */
export function chaosSuite(engine: string, makeServer: () => Promise<TestServer>): void {
  let store: TestServer;
  let setting: ServerSetting;
  const running = new Set<ServerProcess>();

  beforeAll(async () => {
    store = await makeServer();
    await store.start();
    const folder = await mkdtemp(join(tmpdir(), 'bgt-e2e-'));
    setting = {
      engine,
      url: store.url,
      folder,
      recordFile: join(folder, 'record'),
      longestTaskMs: 20,
      drainTimeoutMs: 3_000,
    };
  });

  afterEach(async () => {
    for (const server of running) {
      server.kill('SIGKILL');
      await server.ended;
    }
    running.clear();
  });

  afterAll(async () => {
    await store.remove();
    await rm(setting.folder, { recursive: true });
  });

  async function start(): Promise<ServerProcess> {
    const server = await ServerProcess.start(setting);
    running.add(server);
    return server;
  }

  async function chaos(rounds: number): Promise<string> {
    const program = ['--import', '@oxc-node/core/register', 'test/chaos/chaos.ts'];
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [...program, '--engine', engine, '--rounds', `${rounds}`],
      { cwd: ROOT },
    );
    return stdout;
  }

  it('P17: loses nothing that was acknowledged where servers and workers are killed', async () => {
    expect(await chaos(2)).toMatch(/[1-9]\d* acknowledged, \d+ recorded, 0 lost/);
  });

  it('P13: SIGTERM under load ends the process and loses nothing', async () => {
    const server = await start();
    const load = new Load();
    const under = load.run(server);
    while (load.acknowledged.size < 200) {
      await sleep(5); // load has no events of its own
    }
    server.kill('SIGTERM');
    await server.ended;
    await under;
    const next = await start();
    await next.send('GET', '/idle');
    const balance = balanceOf(load.acknowledged, await linesOf(setting.recordFile));
    expect(balance).toMatchObject({ lost: [], duplicates: 0 });
  });
}
