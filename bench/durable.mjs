// What durable tasks cost: acknowledged requests and tasks a second, and no-op tasks processed, by our engines and by
// BullMQ as it is. Each measurement has a process of its own; the variants take turns, so that a machine which is slow
// for a while is slow for all of them.
//
//   npm run bench:durable [-- --rounds 5 --seconds 5 --tasks 20000 --only process]
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
import { parseArgs, promisify } from 'node:util';
import { machine, median, percentile, progress, progressDone, table } from './figures.mjs';
import { barChart } from './plot.mjs';
import { ROOT, freePort } from './servers/server-process.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    tasks: { type: 'string', default: '20000' },
    only: { type: 'string', default: '' },
  },
});
const ROUNDS = Number(values.rounds);
const RAW = 'raw BullMQ';
const OURS = 'ours, BullMQ';
const UNHELD = 'ours, BullMQ, hold: false';

const MEASUREMENTS = {
  requests: {
    title: 'acknowledged requests/s, 50 connections, Fastify',
    variants: ['bare', 'ours, memory', 'ours, journal', OURS, UNHELD, RAW],
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

const run = promisify(execFile);
const script = fileURLToPath(new URL('durable/measure.mjs', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'bgt-bench-'));
const redis = await startRedis();
const chosen = Object.entries(MEASUREMENTS).flatMap(([what, { variants }]) =>
  variants
    .filter((variant) => redis !== undefined || !variant.includes('BullMQ'))
    .map((variant) => ({ what, variant, name: `${what}: ${variant}` }))
    .filter(({ name }) => name.includes(values.only)),
);
const results = new Map(chosen.map(({ name }) => [name, []]));
try {
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const { what, variant, name } of chosen) {
      progress(`round ${round} of ${ROUNDS}: ${name}`);
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
    [script, what, variant, own, String(redis?.port), values.seconds, values.tasks],
    { timeout: 120_000 },
  );
  await rm(own, { recursive: true, force: true });
  return JSON.parse(stdout);
}

const of = (name, field) => (results.get(name) ?? []).map((each) => each[field]);
/** Round by round: what made one of them slow made the other slow, too. */
const ratiosOf = (what, variant) => {
  const peers = of(`${what}: ${RAW}`, 'perSecond');
  return of(`${what}: ${variant}`, 'perSecond').flatMap((each, round) =>
    peers[round] === undefined ? [] : [each / peers[round]],
  );
};
const whole = (number) => Math.round(number).toLocaleString('en');
const spread = (numbers, format) =>
  [0.25, 0.75].map((share) => format(percentile(numbers, share))).join('–');
const ratio = (number) => number.toFixed(2);

console.log(`Medians of ${ROUNDS} rounds, and quartiles; ${machine()}\n`);
for (const [what, { title }] of Object.entries(MEASUREMENTS)) {
  const rows = chosen
    .filter((each) => each.what === what)
    .map(({ variant, name }) => {
      const rates = of(name, 'perSecond');
      const cpu = of(name, 'cpuMicros').filter((each) => each !== undefined);
      const ratios = ratiosOf(what, variant);
      return [
        variant,
        whole(median(rates)),
        spread(rates, whole),
        ratios.length > 0 ? ratio(median(ratios)) : '–',
        ratios.length > 0 ? spread(ratios, ratio) : '–',
        cpu.length > 0 ? `${median(cpu).toFixed(0)} µs` : '–',
      ];
    });
  if (rows.length > 0) {
    const head = [title, 'a second', 'quartiles', `ratio to ${RAW}`, 'quartiles', 'CPU each'];
    console.log(`${table(head, rows)}\n`);
  }
}
console.log('CPU is that of the measured process, without the server.\n');

const goals = GOALS.map(([what, variant, goal]) => ({
  what,
  variant,
  goal,
  ratios: ratiosOf(what, variant),
}))
  .filter(({ ratios }) => ratios.length > 0)
  .map(({ what, variant, goal, ratios }) => [
    `${what}: ${variant} over ${RAW}`,
    ratio(goal),
    ratio(median(ratios)),
    spread(ratios, ratio),
    median(ratios) >= goal ? 'met' : 'not met',
  ]);
console.log(table(['goal', 'at least', 'median', 'quartiles', ''], goals));

for (const [what, { title }] of Object.entries(MEASUREMENTS)) {
  const bars = chosen
    .filter((each) => each.what === what)
    .map(({ variant, name }) => ({
      name: variant,
      value: median(of(name, 'perSecond')),
      isOurs: variant.includes('ours'),
    }));
  if (bars.length > 0) {
    const plot = join(ROOT, `bench/plots/durable-${what}.svg`);
    await barChart(plot, { title, bars });
    console.log(`\n${plot}`);
  }
}
if (redis === undefined) console.log('redis-server is not installed here: BullMQ is left out.');

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
