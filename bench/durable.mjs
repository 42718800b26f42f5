// What durable tasks cost: acknowledged requests and tasks a second, and no-op tasks processed, by our engines and by
// BullMQ as it is. Each measurement has a process of its own; the variants take turns, so that a machine which is slow
// for a while is slow for all of them.
//
//   npm run bench:durable -- --rounds 5 --seconds 5 --tasks 20000 --only process
//
// BullMQ is measured where there is a redis-server, which is started for it: durable as BullMQ recommends it, with an
// append-only file that is flushed each second. The journal flushes before it acknowledges.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fixed, median, progress, progressDone, quartiles, ratios } from './figures.mjs';
import { benchmarkOptions } from './options.mjs';
import { goalTable, report } from './report.mjs';
import { freePort } from './servers/server-process.mjs';

const RAW = 'raw BullMQ';
const OURS = 'ours, BullMQ';

const MEASUREMENTS = {
  requests: {
    title: 'acknowledged requests/s, 50 connections, Fastify',
    variants: ['bare', 'ours, memory', 'ours, journal', OURS, RAW],
  },
  tasks: {
    title: 'acknowledged tasks/s, 50 in flight, no HTTP',
    variants: ['ours, journal', OURS, RAW],
  },
  process: {
    title: 'no-op tasks processed/s, concurrency 50',
    variants: ['ours, memory', 'ours, journal', OURS, RAW],
  },
};

/** Of each measurement's variants, what raw BullMQ is the measure of. */
const GOALS = [
  ['tasks', OURS, 0.95],
  ['process', OURS, 0.95],
  ['tasks', 'ours, journal', 3],
];

const VARIANTS = Object.entries(MEASUREMENTS).flatMap(([what, { variants }]) =>
  variants.map((variant) => ({ what, variant, name: `${what}: ${variant}` })),
);
const options = benchmarkOptions(
  { rounds: 5, seconds: 5, tasks: 20_000 },
  VARIANTS.map(({ name }) => name),
);
const { rounds, seconds, tasks, write } = options;
const run = promisify(execFile);
const script = fileURLToPath(new URL('durable/measure.mjs', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'bgt-bench-'));
const redis = await startRedis();
const chosen = VARIANTS.filter(
  ({ name }) => options.chosen.includes(name) && (redis !== undefined || !name.includes('BullMQ')),
);
const results = new Map(chosen.map(({ name }) => [name, []]));
try {
  for (let round = 1; round <= rounds; round += 1) {
    for (const { what, variant, name } of chosen) {
      progress(`round ${round} of ${rounds}: ${name}`);
      results.get(name).push(await measure(what, variant));
    }
  }
} finally {
  if (redis !== undefined) {
    const exited = once(redis.child, 'exit');
    redis.child.kill();
    await exited;
  }
  await rm(folder, { recursive: true, force: true });
}
progressDone();

async function measure(what, variant) {
  const own = await mkdtemp(join(folder, 'run-'));
  const { stdout } = await run(
    process.execPath,
    [script, what, variant, own, String(redis?.port), String(seconds), String(tasks)],
    { timeout: 120_000 },
  );
  await rm(own, { recursive: true, force: true });
  return JSON.parse(stdout);
}

const of = (name, field) => (results.get(name) ?? []).map((each) => each[field]);
const ratesOf = (what, variant) => of(`${what}: ${variant}`, 'perSecond');
const ratiosToRaw = (what, variant) => ratios(ratesOf(what, variant), ratesOf(what, RAW));
const ofMeasurement = (what) => chosen.filter((each) => each.what === what);

await report({
  write,
  heading: `Medians of ${rounds} rounds, and quartiles`,
  tables: [
    ...Object.entries(MEASUREMENTS).map(([what, { title }]) => ({
      name: what,
      head: [title, 'a second', 'quartiles', `ratio to ${RAW}`, 'quartiles', 'CPU each'],
      rows: ofMeasurement(what).map(({ variant, name }) => [
        variant,
        fixed(median(ratesOf(what, variant)), 0),
        quartiles(ratesOf(what, variant), 0),
        fixed(median(ratiosToRaw(what, variant)), 2),
        quartiles(ratiosToRaw(what, variant), 2),
        fixed(median(of(name, 'cpuMicros').filter((each) => each !== undefined)), 0, ' µs'),
      ]),
    })),
    goalTable(
      GOALS.map(([what, variant, goal]) => ({
        what: `${what}: ${variant} over ${RAW}`,
        goal,
        found: ratiosToRaw(what, variant),
      })),
    ),
  ],
  notes: [
    'CPU is that of the measured process, without the server.',
    ...(redis ? [] : ['redis-server is not installed here: BullMQ is left out.']),
  ],
  plots: Object.entries(MEASUREMENTS).map(([what, { title }]) => ({
    name: `durable-${what}`,
    title,
    bars: ofMeasurement(what).map(({ variant }) => ({
      name: variant,
      value: median(ratesOf(what, variant)),
      isOurs: variant.includes('ours'),
    })),
  })),
});

async function startRedis() {
  const port = await freePort();
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', ''];
  const child = spawn('redis-server', [...args, '--appendonly', 'yes'], { stdio: 'ignore' });
  const missing = once(child, 'error').then(() => true);
  for (let tries = 0; tries < 100; tries += 1) {
    if (await Promise.race([missing, isListening(port)])) {
      return child.pid === undefined ? undefined : { child, port };
    }
    await pause(50);
  }
  throw new Error('redis-server does not listen.');
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
