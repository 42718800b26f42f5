// The cost of durable tasks: requests and tasks acknowledged per second, and no-op tasks processed per second, by our
// engines, by plain BullMQ, and by pg-boss and graphile-worker. Each measurement has a process of its own. The variants
// take turns, so that a slow moment of the machine hits all of them.
//
//   npm run bench:durable -- --rounds 5 --seconds 5 --tasks 20000 --only process
//
// BullMQ is measured where redis-server or PostgreSQL is installed; the benchmark starts them. Redis is measured with an
// append-only file that is flushed each second, as BullMQ recommends, and with one that is flushed before each answer, as
// the journal and PostgreSQL are. The limits are the disk, with one fdatasync per group of appends, and LMDB itself.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fixed, median, progress, progressDone, quartiles, ratios } from './figures.mjs';
import { benchmarkOptions } from './options.mjs';
import { findProgram } from '../test/support/programs.mjs';
import { goalTable, report } from './report.mjs';

const RAW = 'raw BullMQ';
const FLUSHED = 'raw BullMQ, flushed';
const OURS = 'ours, BullMQ';
const JOURNAL = 'ours, journal';
const POSTGRES = 'ours, PostgreSQL';
const RAW_POSTGRES = 'raw BullMQ, PostgreSQL';
const PG_BOSS = 'pg-boss, PostgreSQL';
const GRAPHILE = 'graphile-worker, PostgreSQL';
const DISK = 'the disk';
const LMDB = 'LMDB';

const MEASUREMENTS = {
  requests: {
    title: 'acknowledged requests/s, 50 connections, Fastify',
    variants: ['bare', 'ours, memory', JOURNAL, OURS, RAW, FLUSHED],
  },
  tasks: {
    title: 'acknowledged tasks/s, 50 in flight, no HTTP',
    variants: [DISK, LMDB, JOURNAL, OURS, RAW, FLUSHED, POSTGRES, RAW_POSTGRES, PG_BOSS, GRAPHILE],
  },
  'tasks-500': {
    title: 'acknowledged tasks/s, 500 in flight, no HTTP',
    variants: [DISK, LMDB, JOURNAL],
  },
  process: {
    title: 'no-op tasks processed/s, concurrency 50',
    variants: ['ours, memory', JOURNAL, OURS, RAW, POSTGRES, RAW_POSTGRES, PG_BOSS, GRAPHILE],
  },
};

/** Each variant, with the way to measure it. */
const GOALS = [
  ['tasks', JOURNAL, FLUSHED, 1.6],
  ['requests', JOURNAL, FLUSHED, 1.3],
  ['tasks', JOURNAL, LMDB, 0.95],
  ['tasks-500', JOURNAL, LMDB, 0.7],
  ['requests', OURS, RAW, 0.85],
  ['tasks', OURS, RAW, 0.9],
  ['process', OURS, RAW, 0.95],
  ['process', POSTGRES, RAW_POSTGRES, 0.9],
];

/** Variants that need Node.js 22.18. */
const NEED_NEWER_NODE = new Set([PG_BOSS, GRAPHILE]);
const [major, minor] = process.versions.node.split('.').map(Number);
const isNewNode = major > 22 || (major === 22 && minor >= 18);

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
// Needs a TypeScript loader, as in `npm run bench:durable`; wrong options are refused without one.
const { postgresServer, redisServer } = await import('../test/support/servers.ts');
const servers = {
  ...(findProgram('redis-server') && {
    redis: await redisServer('--appendfsync', 'everysec'),
    flushed: await redisServer('--appendfsync', 'always'),
  }),
  ...(findProgram('postgres') && { postgres: await postgresServer('-c', 'fsync=on') }),
};
const serverOf = (variant) =>
  variant.includes('PostgreSQL') ? 'postgres' : variant === FLUSHED ? 'flushed' : 'redis';
const chosen = VARIANTS.filter(
  ({ name, variant }) =>
    options.chosen.includes(name) &&
    (!hasServer(variant) || serverOf(variant) in servers) &&
    (isNewNode || !NEED_NEWER_NODE.has(variant)),
);
const results = new Map(chosen.map(({ name }) => [name, []]));
try {
  for (const server of Object.values(servers)) await server.start();
  for (let round = 1; round <= rounds; round += 1) {
    for (const { what, variant, name } of chosen) {
      progress(`round ${round} of ${rounds}: ${name}`);
      results.get(name).push(await measure(what, variant));
    }
  }
} finally {
  for (const server of Object.values(servers)) await server.remove();
  await rm(folder, { recursive: true, force: true });
}
progressDone();

async function measure(what, variant) {
  const own = await mkdtemp(join(folder, 'run-'));
  const { url = '', pid = '' } = hasServer(variant) ? servers[serverOf(variant)] : {};
  const [kind, inFlight = '50'] = what.split('-');
  const { stdout } = await run(
    process.execPath,
    [
      script,
      kind,
      variant,
      own,
      url,
      `${pid}`,
      `${seconds}`,
      `${countOf(kind, variant)}`,
      inFlight,
    ],
    { timeout: 240_000 },
  );
  await rm(own, { recursive: true, force: true });
  return JSON.parse(stdout);
}

function hasServer(variant) {
  return variant.includes('BullMQ') || variant.includes('PostgreSQL');
}

/** Tasks on PostgreSQL are slower, so they are a tenth as many. */
function countOf(kind, variant) {
  return kind !== 'requests' && variant.includes('PostgreSQL') ? Math.ceil(tasks / 10) : tasks;
}

const of = (name, field) => (results.get(name) ?? []).map((each) => each[field]);
const ratesOf = (what, variant) => of(`${what}: ${variant}`, 'perSecond');
const ratiosTo = (what, variant, other) => ratios(ratesOf(what, variant), ratesOf(what, other));
const ratiosToRaw = (what, variant) => ratiosTo(what, variant, RAW);
const cpuOf = (name, field) =>
  fixed(median(of(name, field).filter((each) => each !== undefined)), 0, ' µs');
/** The CPU time of this process and of the server together. */
const cpuOfBoth = (variant) =>
  (results.get(`process: ${variant}`) ?? []).map(
    ({ cpuMicros, serverMicros }) => cpuMicros + serverMicros,
  );
const ofMeasurement = (what) => chosen.filter((each) => each.what === what);

await report({
  write,
  heading: `Medians of ${rounds} rounds, and quartiles`,
  tables: [
    ...Object.entries(MEASUREMENTS).map(([what, { title }]) => ({
      name: what,
      head: [
        title,
        'a second',
        'quartiles',
        `ratio to ${RAW}`,
        'quartiles',
        'CPU each',
        'of the server',
      ],
      rows: ofMeasurement(what).map(({ variant, name }) => [
        variant,
        fixed(median(ratesOf(what, variant)), 0),
        quartiles(ratesOf(what, variant), 0),
        fixed(median(ratiosToRaw(what, variant)), 2),
        quartiles(ratiosToRaw(what, variant), 2),
        cpuOf(name, 'cpuMicros'),
        cpuOf(name, 'serverMicros'),
      ]),
    })),
    goalTable([
      ...GOALS.map(([what, variant, over, goal]) => ({
        what: `${what}: ${variant} over ${over}`,
        goal,
        found: ratiosTo(what, variant, over),
      })),
      {
        what: `process: CPU of both, ${RAW_POSTGRES} over ${POSTGRES}`,
        goal: 0.9,
        found: ratios(cpuOfBoth(RAW_POSTGRES), cpuOfBoth(POSTGRES)),
      },
    ]),
  ],
  notes: [
    'CPU is that of the measured process; that of the server, and of what it has started, beside it.',
    ...(chosen.some(({ variant }) => NEED_NEWER_NODE.has(variant))
      ? [
          'pg-boss and graphile-worker take and complete 50 jobs at a time: a crash runs as many again.',
        ]
      : []),
    ...(servers.redis ? [] : ['redis-server is not installed here: BullMQ on it is left out.']),
    ...(isNewNode ? [] : ['pg-boss and graphile-worker need Node.js 22.18, and are left out.']),
    ...(servers.postgres ? [] : ['PostgreSQL is not installed here, and is left out.']),
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
