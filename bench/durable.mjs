// What durable tasks cost: acknowledged requests and tasks a second, and no-op tasks processed.
// Each measurement has a process of its own; the variants take turns, so that a machine which is slow
// for a while is slow for all of them.
//
//   npm run bench:durable [-- --rounds 3 --seconds 5 --tasks 20000]
//
// Raw BullMQ is measured where there is a redis-server, which is started for it.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '5' },
    tasks: { type: 'string', default: '20000' },
  },
});
const rounds = Number(values.rounds);
const script = fileURLToPath(new URL('durable/measure.mjs', import.meta.url));
const run = promisify(execFile);

const TITLES = {
  requests: 'acknowledged requests/s, 50 connections, Fastify',
  tasks: 'acknowledged tasks/s, 50 in flight, no HTTP',
  process: 'no-op tasks processed/s, concurrency 50',
};
const VARIANTS = {
  requests: ['bare', 'memory', 'journal', 'bullmq'],
  tasks: ['journal', 'bullmq'],
  process: ['memory', 'journal', 'bullmq'],
};

const folder = await mkdtemp(join(tmpdir(), 'bgt-bench-'));
const redis = await startRedis();
const results = new Map();
try {
  for (let round = 1; round <= rounds; round += 1) {
    for (const [what, variants] of Object.entries(VARIANTS)) {
      for (const variant of variants.filter((name) => name !== 'bullmq' || redis !== undefined)) {
        const own = await mkdtemp(join(folder, 'run-'));
        const args = [
          script,
          what,
          variant,
          own,
          String(redis?.port),
          values.seconds,
          values.tasks,
        ];
        const { stdout } = await run(process.execPath, args, { timeout: 300_000 });
        const key = `${what} ${variant}`;
        const result = JSON.parse(stdout);
        results.set(key, [...(results.get(key) ?? []), result]);
        process.stderr.write(`round ${round} of ${rounds}: ${key} ${figure(result.perSecond)}/s\n`);
      }
    }
  }
} finally {
  redis?.child.kill('SIGTERM');
  await (redis && once(redis.child, 'exit'));
  await rm(folder, { recursive: true, force: true });
}

const load = loadavg()[0]?.toFixed(1);
console.log(
  `\nNode.js ${process.version}, ${cpus().length} cores, load ${load} at the end, ${rounds} rounds, medians\n`,
);
console.log(
  '| what | variant | a second | ratio to raw BullMQ | CPU µs each, without the server |',
);
console.log('| --- | --- | --: | --: | --: |');
for (const [what, variants] of Object.entries(VARIANTS)) {
  for (const variant of variants) {
    const all = results.get(`${what} ${variant}`);
    if (all !== undefined) {
      const peers = results.get(`${what} bullmq`);
      const ratios = all.map(({ perSecond }, round) => perSecond / peers?.[round].perSecond);
      const name = variant === 'bullmq' ? 'raw BullMQ on Redis' : variant;
      const cells = [
        TITLES[what],
        name,
        figure(median(all.map(({ perSecond }) => perSecond))),
        figure(median(ratios), 2),
        figure(median(all.map(({ cpuMicros }) => cpuMicros))),
      ];
      console.log(`| ${cells.join(' | ')} |`);
    }
  }
}

function figure(number, digits = 0) {
  return Number.isFinite(number)
    ? number.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
    : '–';
}

function median(numbers) {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)];
}

/** Durable as BullMQ recommends it: an append-only file, flushed each second. */
async function startRedis() {
  const port = await freePort();
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', ''];
  const child = spawn('redis-server', [...args, '--appendonly', 'yes'], { stdio: 'ignore' });
  const missing = once(child, 'error').then(() => true);
  for (let tries = 0; tries < 100; tries += 1) {
    if (await Promise.race([missing, isListening(port)])) {
      return child.pid === undefined ? undefined : { child, port };
    }
    await sleep(50);
  }
  throw new Error('redis-server does not listen.');
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

function isListening(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
