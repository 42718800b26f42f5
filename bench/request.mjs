// What one tiny task costs a request: POSTs by `ab` on kept-alive connections to a server in a process of its own, in
// every way there is to send a mail afterwards. CPU is the server's own, from the operating system: on a machine that
// others use it is steadier than requests per second.
//
//   npm run bench:request -- --rounds 5 --requests 10000 --only fastify
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fixed, median, progress, progressDone, quartiles, ratios } from './figures.mjs';
import { benchmarkOptions } from './options.mjs';
import { goalTable, report } from './report.mjs';
import {
  SERVERS,
  freePort,
  hasUvicorn,
  requireAb,
  startNode,
  startUvicorn,
} from './servers/server-process.mjs';

const AT_ONCE = 20;
/** USER_HZ, which Linux has had at 100 on every common architecture. */
const TICKS_PER_SECOND = 100;

const run = promisify(execFile);

const NEST_VARIANTS = [
  'bare',
  'interceptor',
  'floating',
  'ours, no task',
  'ours, @Tasks()',
  'ours, @Background()',
  'request-scoped',
  'ours, injected',
  'p-queue',
  'bullmq',
];

/** Of each adapter's variants, what its goals compare them with. */
const GOALS = [
  ['ours, no task', 'bare', 0.97],
  ['ours, @Tasks()', 'floating', 0.95],
  ['ours, @Background()', 'floating', 0.95],
  ['ours, injected', 'request-scoped', 0.95],
];

const NO_TASK = new Set(['bare', 'interceptor', 'ours, no task']);
const WORKLOADS = [
  ...['express', 'fastify'].flatMap((adapter) =>
    NEST_VARIANTS.map((variant) => ({
      name: `${adapter}: ${variant}`,
      hasTask: !NO_TASK.has(variant),
      start: (port) =>
        startNode([join(SERVERS, 'nest-request.mjs'), adapter, variant, String(port)], {
          env: { NO_COLOR: '1', NODE_ENV: 'production', REDIS_PORT: String(redis?.port) },
        }),
    })),
  ),
  {
    name: 'FastAPI',
    hasTask: true,
    start: (port) => startUvicorn('fastapi_request:app', port),
  },
];
const { rounds, requests, chosen, write } = benchmarkOptions(
  { rounds: 5, requests: 10_000 },
  WORKLOADS.map(({ name }) => name),
);
requireAb();
const redis = await startRedis();
const workloads = WORKLOADS.filter(
  ({ name }) =>
    chosen.includes(name) &&
    (redis !== undefined || !name.endsWith('bullmq')) &&
    (name !== 'FastAPI' || hasUvicorn()),
);

async function startRedis() {
  if (!existsSync('/usr/bin/redis-server')) return undefined;
  const port = await freePort();
  const args = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const child = spawn('/usr/bin/redis-server', args.map(String), { stdio: 'ignore' });
  await new Promise((resolve) => setTimeout(resolve, 500));
  return { port, child };
}

/** User and system time of a process in seconds; `undefined` where there is no /proc. */
function cpuSeconds(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return undefined;
  }
}

async function ab(url, directory, count) {
  const latencies = join(directory, 'latencies.csv');
  const { stdout } = await run(
    'ab',
    `-q -k -n ${count} -c ${AT_ONCE} -e ${latencies} -p ${join(directory, 'body')} -T`
      .split(' ')
      .concat('application/json', url),
  );
  const number = (pattern) => Number(pattern.exec(stdout)?.[1] ?? 0);
  const failed = number(/^Failed requests:\s+(\d+)/m) + number(/^Non-2xx responses:\s+(\d+)/m);
  if (failed > 0) throw new Error(`${failed} requests failed:\n${stdout}`);
  const lines = (await readFile(latencies, 'utf8')).trim().split('\n').slice(1);
  const at = (percent) => Number(lines[percent]?.split(',')[1]);
  return { perSecond: number(/^Requests per second:\s+([\d.]+)/m), p50: at(50), p99: at(99) };
}

async function measure({ start, hasTask }, directory) {
  const port = await freePort();
  const server = start(port);
  const url = `http://127.0.0.1:${port}`;
  try {
    await server.untilAnswering(`${url}/done`);
    const warmUp = Math.max(2_000, requests / 2);
    await ab(`${url}/mails/ada@example.com`, directory, warmUp);
    if (hasTask) await untilDone(url, warmUp);
    const before = cpuSeconds(server.pid);
    const figures = await ab(`${url}/mails/ada@example.com`, directory, requests);
    if (hasTask) await untilDone(url, warmUp + requests);
    const seconds = cpuSeconds(server.pid) - before;
    return { ...figures, cpu: (seconds * 1e6) / requests };
  } finally {
    await server.end();
  }
}

/** A queue of its own may lag behind the requests: its work is part of what they cost. */
async function untilDone(url, tasks) {
  for (const deadline = Date.now() + 20_000; ; await new Promise((go) => setTimeout(go, 50))) {
    const { done } = await (await fetch(`${url}/done`)).json();
    if (done >= tasks) return;
    if (Date.now() > deadline) throw new Error(`${done} of ${tasks} tasks have run`);
  }
}

const results = new Map(workloads.map(({ name }) => [name, []]));
const directory = await mkdtemp(join(tmpdir(), 'request-'));
try {
  await writeFile(join(directory, 'body'), '{}');
  for (let round = 1; round <= rounds; round += 1) {
    for (const workload of workloads) {
      progress(`round ${round} of ${rounds}: ${workload.name}`);
      try {
        results.get(workload.name).push(await measure(workload, directory));
      } catch (error) {
        if (round === 1) process.stderr.write(`${workload.name} is left out: ${error.message}\n`);
      }
    }
  }
} finally {
  await rm(directory, { recursive: true, force: true });
  if (redis !== undefined) {
    const ended = once(redis.child, 'exit');
    redis.child.kill();
    await ended;
  }
}
progressDone();

const of = (name, field) => (results.get(name) ?? []).map((each) => each[field]);
/** The peer's CPU over ours, round by round: 1 is level, less is slower. */
const cpuRatios = (name, peer) => ratios(of(peer, 'cpu'), of(name, 'cpu'));
const FAST = 'fastify: ours, @Tasks()';
const goals = [
  ...['express', 'fastify'].flatMap((adapter) =>
    GOALS.map(([ours, peer, goal]) => ({
      what: `${adapter}: ${ours} over ${peer}`,
      goal,
      found: cpuRatios(`${adapter}: ${ours}`, `${adapter}: ${peer}`),
    })),
  ),
  {
    what: `${FAST} over FastAPI's requests/s`,
    goal: 2,
    found: ratios(of(FAST, 'perSecond'), of('FastAPI', 'perSecond')),
  },
];
const measured = [...results.keys()].filter((name) => results.get(name).length > 0);
await report({
  write,
  heading: `${requests} requests, ${AT_ONCE} at a time; medians of ${rounds} rounds, quartiles of CPU`,
  tables: [
    {
      head: ['', 'requests/s', 'p50', 'p99', 'CPU a request', 'quartiles', 'CPU ratio to bare'],
      rows: measured.map((name) => [
        name,
        fixed(median(of(name, 'perSecond')), 0),
        fixed(median(of(name, 'p50')), 1, ' ms'),
        fixed(median(of(name, 'p99')), 1, ' ms'),
        fixed(median(of(name, 'cpu')), 0, ' µs'),
        quartiles(of(name, 'cpu'), 0),
        fixed(median(cpuRatios(name, `${name.split(':')[0]}: bare`)), 2),
      ]),
    },
    goalTable(goals),
  ],
  notes: [
    ...(hasUvicorn() ? [] : ['FastAPI is not installed here (uvicorn, python3-fastapi).']),
    ...(redis ? [] : ['redis-server is not installed here: BullMQ is left out.']),
  ],
  plots: [
    {
      name: 'request',
      title: 'CPU of the server for a request that sends a mail afterwards (µs, less is better)',
      bars: measured.map((name) => ({
        name,
        value: median(of(name, 'cpu')),
        isOurs: name.includes('ours'),
      })),
    },
  ],
});
