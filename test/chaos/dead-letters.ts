// Lets many tasks fail, kills the process, lists them by cursor, and kills processes at random moments
// while they run them again: is each run, and stored once?
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
import { parseArgs } from 'node:util';
import { redisServer } from '../support/servers.js';
import type { ProcessSetting } from './dead-letters-process.js';
import { linesOf } from './server-process.js';

const PROGRAM = fileURLToPath(new URL('dead-letters-process.ts', import.meta.url));
const SHORTEST_MS = 50;
const LONGEST_MS = 5_000;

const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'journal' },
    count: { type: 'string', default: '10000' },
    rate: { type: 'string' },
    rounds: { type: 'string', default: '5' },
  },
});
const count = Number(values.count);
const store = values.engine === 'redis' ? await redisServer() : undefined;
const folder = await mkdtemp(join(tmpdir(), 'bgt-chaos-'));
const base: Omit<ProcessSetting, 'act'> = {
  engine: values.engine,
  ...(store && { url: store.url }),
  ...(values.rate !== undefined && { rate: Number(values.rate) }),
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
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    const { child, ended } = start('retry');
    await Promise.race([once(child.stdout as Readable, 'data'), ended]);
    await sleep(SHORTEST_MS + Math.random() * (LONGEST_MS - SHORTEST_MS));
    child.kill('SIGKILL');
    await ended;
    process.stderr.write(`round ${round}: ${new Set(await linesOf(base.recordFile)).size} run\n`);
  }
  const retried = await run('retry');
  const lines = await linesOf(base.recordFile);
  const lost = count - new Set(lines).size;
  console.log(
    `${values.engine}: ${listed.trim()}; ${values.rounds} kills; ${retried.trim().split('\n').at(-1)}; ` +
      `${lost} lost, ${lines.length - new Set(lines).size} runs beyond the first`,
  );
  process.exitCode = lost === 0 && listed.startsWith(`listed ${count} `) ? 0 : 1;
} finally {
  await store?.remove();
  await rm(folder, { recursive: true, force: true });
}

/** @param killAt what it says when it is to be killed */
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
