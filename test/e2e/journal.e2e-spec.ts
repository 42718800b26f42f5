import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { balanceOf, Load } from '../chaos/load.js';
import { linesOf, ServerProcess, type ServerSetting } from '../chaos/server-process.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

let setting: ServerSetting;
const running = new Set<ServerProcess>();

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bgt-e2e-'));
  setting = {
    engine: 'journal',
    folder,
    recordFile: join(folder, 'record'),
    longestTaskMs: 20,
    drainTimeoutMs: 1_000,
  };
});

afterEach(async () => {
  for (const server of running) {
    server.kill('SIGKILL');
    await server.ended;
  }
  running.clear();
  await rm(setting.folder, { recursive: true });
});

async function start(nodeOptions?: string[]): Promise<ServerProcess> {
  const server = await ServerProcess.start(setting, nodeOptions);
  running.add(server);
  return server;
}

async function end(server: ServerProcess, signal: NodeJS.Signals): Promise<unknown> {
  server.kill(signal);
  const ended = await server.ended;
  running.delete(server);
  return ended;
}

function lines(): Promise<string[]> {
  return linesOf(setting.recordFile);
}

describe('a process that is killed', () => {
  it('by its own task, each time: is not killed more than maxStarts times', async () => {
    const first = await start();
    await first.send('POST', '/deadly/bomb').catch(() => undefined);
    await first.ended;
    for (let starts = 2; starts <= 3; starts += 1) {
      // It may be down before it listens: tasks start when the application has started.
      const again = await ServerProcess.start(setting).catch(() => undefined);
      await again?.ended;
    }
    expect(await lines()).toEqual(['started bomb', 'started bomb', 'started bomb']);

    const fourth = await start();
    await fourth.send('GET', '/idle');
    const failed = JSON.parse((await fourth.send('GET', '/failed')).body) as { id: string }[];
    expect(failed).toMatchObject([{ args: ['bomb'], error: 'BGT_TASK_CRASHED' }]);
    expect(await lines()).toHaveLength(3);
    await fourth.send('POST', '/record/other');
    await fourth.send('GET', '/idle');

    await fourth.send('POST', `/retry/${failed[0]?.id}`).catch(() => undefined);
    await fourth.ended;
    expect(await lines()).toHaveLength(5);
  });

  it('at random, three times under load: loses nothing that was acknowledged', async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', '@oxc-node/core/register', 'test/chaos/chaos.ts', '--rounds', '3'],
      { cwd: ROOT },
    );
    expect(stdout).toMatch(/[1-9]\d* acknowledged, \d+ recorded, 0 lost/);
  });
});

describe('without lmdb', () => {
  it('the application does not start, and says what to install', async () => {
    const missing = new URL('without-lmdb/register.mjs', import.meta.url).href;
    await expect(start(['--import', missing])).rejects.toThrow(
      'refused nestjs-background-tasks/journal needs lmdb: npm install lmdb',
    );
  });
});

describe('P13: SIGTERM under load', () => {
  it('loses nothing that was acknowledged, with the memory engine', async () => {
    setting = { ...setting, engine: 'memory', drainTimeoutMs: 10_000 };
    const server = await start();
    const load = new Load();
    const under = load.run(server);
    await untilAcknowledged(load, 500);
    // What is added after the signal may be more than the time allows for.
    load.stop();
    await end(server, 'SIGTERM');
    await under;
    const balance = balanceOf(load.acknowledged, await lines());
    expect(balance).toMatchObject({ lost: [], duplicates: 0 });
  });

  it('loses nothing that was acknowledged, with a journal and a load that goes on', async () => {
    const server = await start();
    const load = new Load();
    const under = load.run(server);
    await untilAcknowledged(load, 500);
    await end(server, 'SIGTERM');
    await under;
    const next = await start();
    await next.send('GET', '/idle');
    const balance = balanceOf(load.acknowledged, await lines());
    expect(balance).toMatchObject({ lost: [], duplicates: 0 });
  });
});

/** Load has no events of its own: it is looked at, every few milliseconds. */
async function untilAcknowledged(load: Load, count: number): Promise<void> {
  while (load.acknowledged.size < count) {
    await sleep(5);
  }
}
