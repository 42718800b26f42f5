// Lets many tasks fail, kills the process, lists them by cursor, and kills processes at random moments
// while they run them again. Does each run, and is each accepted once? A task may run twice if its process died before its
// end was stored. A task that runs again in the same process, or long after its end, was accepted twice.
//
//   npm run chaos:dead-letters -- --engine journal --count 100000 --rounds 50
//   npm run chaos:dead-letters -- --engine redis --count 10000 --rate 2000 --rounds 0
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { Readable } from 'node:stream';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { redisServer } from '../support/servers.js';
import type { ProcessSetting } from './dead-letters-process.js';
import { optionsOf } from './options.js';
import { linesOf } from './server-process.js';

const PROGRAM = fileURLToPath(new URL('dead-letters-process.ts', import.meta.url));
const SHORTEST_MS = 50;
const LONGEST_MS = 5_000;
/** The end of a task is stored within this time, in milliseconds. */
const STORED_MS = 1_000;

const { count, rate, rounds, engine } = optionsOf(
  { count: 10_000, rate: 0, rounds: 5 },
  { engine: ['journal', 'redis'] },
);
const store = engine === 'redis' ? await redisServer() : undefined;
const folder = await mkdtemp(join(tmpdir(), 'bgt-chaos-'));
const killedAt = new Map<number, number>();
const base: Omit<ProcessSetting, 'act'> = {
  engine,
  ...(store && { url: store.url }),
  ...(rate > 0 && { rate }),
  count,
  folder,
  recordFile: join(folder, 'record'),
  maxStarts: 1_000_000,
  longestTaskMs: 0,
  drainTimeoutMs: 10_000,
};

try {
  await store?.start();
  await run('fail', 'failed');
  const listed = await run('list');
  for (let round = 1; round <= rounds; round += 1) {
    const { child, ended } = start('retry');
    await Promise.race([once(child.stdout as Readable, 'data'), ended]);
    await sleep(SHORTEST_MS + Math.random() * (LONGEST_MS - SHORTEST_MS));
    child.kill('SIGKILL');
    killedAt.set(child.pid ?? 0, Date.now());
    await ended;
    process.stderr.write(`round ${round}: ${(await runsOf()).size} run\n`);
  }
  const retried = await run('retry');
  const runs = await runsOf();
  const lost = count - runs.size;
  const again = [...runs.values()].flatMap((each) => each.slice(0, -1));
  const doubled = again.filter(({ pid, at }) => (killedAt.get(pid) ?? Infinity) - at > STORED_MS);
  console.log(
    `${engine}: ${listed.trim()}; ${rounds} kills; ${retried.trim().split('\n').at(-1)}; ` +
      `${lost} lost, ${again.length} ran again after a kill, ${doubled.length} of them were accepted twice`,
  );
  process.exitCode = lost + doubled.length === 0 && listed.startsWith(`listed ${count} `) ? 0 : 1;
} finally {
  await store?.remove();
  await rm(folder, { recursive: true, force: true });
}

/** By task, in the order of the runs. */
async function runsOf(): Promise<Map<string, { pid: number; at: number }[]>> {
  const runs = new Map<string, { pid: number; at: number }[]>();
  for (const line of await linesOf(base.recordFile)) {
    const [id = '', pid, at] = line.split(' ');
    runs.set(id, [...(runs.get(id) ?? []), { pid: Number(pid), at: Number(at) }]);
  }
  return runs;
}

/** @param killAt the output at which the process is killed */
async function run(act: ProcessSetting['act'], killAt?: string): Promise<string> {
  const { child, ended } = start(act);
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    if (killAt !== undefined && output.includes(killAt)) {
      child.kill('SIGKILL');
    }
  });
  await ended;
  return output;
}

function start(act: ProcessSetting['act']): { child: ChildProcess; ended: Promise<unknown> } {
  const child = spawn(
    process.execPath,
    ['--import', '@oxc-node/core/register', PROGRAM, JSON.stringify({ ...base, act })],
    {
      cwd: fileURLToPath(new URL('../../', import.meta.url)),
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  return { child, ended: new Promise((resolve) => child.once('close', resolve)) };
}
