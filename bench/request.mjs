// The cost of one tiny task for a request. `ab` sends POSTs on kept-alive connections to servers in processes of their own,
// one for each way to send a mail afterwards. CPU is the server's own, which on a shared machine is steadier than requests
// per second. All servers are up at once and take short turns, forwards and backwards, so that other work on the machine
// hits all of them alike. User CPU is listed separately: the kernel's share grows while the client sleeps.
//
//   npm run bench:request -- --rounds 30 --requests 1500 --only fastify
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
  'floor',
  'floor, no task',
  'p-queue',
  'bullmq',
];

/** The variants of each adapter that its goals compare with. */
const GOALS = {
  fastify: [
    ['cpu', 'ours, no task', 'bare', 0.93],
    ['cpu', 'ours, @Tasks()', 'floating', 0.85],
    ['cpu', 'ours, @Background()', 'floating', 0.85],
    ['cpu', 'ours, injected', 'request-scoped', 0.92],
    ['cpu', 'ours, @Tasks()', 'floor', 0.92],
    ['user', 'ours, @Tasks()', 'floor', 0.88],
  ],
  express: [
    ['cpu', 'ours, no task', 'bare', 0.97],
    ['cpu', 'ours, @Tasks()', 'floating', 0.94],
    ['cpu', 'ours, @Background()', 'floating', 0.94],
    ['cpu', 'ours, injected', 'request-scoped', 0.95],
    ['cpu', 'ours, @Tasks()', 'floor', 0.97],
    ['user', 'ours, @Tasks()', 'floor', 0.95],
  ],
};

const NO_TASK = new Set(['bare', 'interceptor', 'ours, no task', 'floor, no task']);
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
  { rounds: 30, requests: 1_500 },
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

/**
 * User and total CPU time of a server in µs: as the server itself tells, or as the operating system
 * does, which counts in ticks.
 */
async function usageOf({ name, server, url }) {
  if (name !== 'FastAPI') {
    const { user, system } = await (await fetch(`${url}/usage`)).json();
    return { user, cpu: user + system };
  }
  const fields = readFileSync(`/proc/${server.pid}/stat`, 'utf8').split(') ')[1].split(' ');
  const [user, system] = [fields[11], fields[12]].map((ticks) => (ticks * 1e6) / TICKS_PER_SECOND);
  return { user, cpu: user + system };
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

/** Starts a server and warms it up. */
async function startUp(workload, directory) {
  const port = await freePort();
  const running = {
    ...workload,
    server: workload.start(port),
    url: `http://127.0.0.1:${port}`,
    sent: 0,
  };
  await running.server.untilAnswering(`${running.url}/done`);
  await turn(running, directory, 4 * requests);
  return running;
}

async function turn(running, directory, count = requests) {
  // While a server waits for its turn, V8 frees code and memory. The cost of restoring them is not
  // counted.
  await ab(`${running.url}/mails/ada@example.com`, directory, requests);
  running.sent += requests;
  const before = await usageOf(running);
  const figures = await ab(`${running.url}/mails/ada@example.com`, directory, count);
  running.sent += count;
  if (running.hasTask) await untilDone(running);
  const after = await usageOf(running);
  const each = (field) => (after[field] - before[field]) / count;
  return { ...figures, cpu: each('cpu'), user: each('user') };
}

/** A queue may lag behind the requests. Its work is part of their cost. */
async function untilDone({ name, url, sent }) {
  for (const deadline = Date.now() + 20_000; ; await new Promise((go) => setTimeout(go, 50))) {
    const { done } = await (await fetch(`${url}/done`)).json();
    if (done >= sent) return;
    if (Date.now() > deadline) throw new Error(`${name}: ${done} of ${sent} tasks have run`);
  }
}

const results = new Map(workloads.map(({ name }) => [name, []]));
const directory = await mkdtemp(join(tmpdir(), 'request-'));
const servers = [];
try {
  await writeFile(join(directory, 'body'), '{}');
  for (const workload of workloads) {
    progress(`start: ${workload.name}`);
    servers.push(await startUp(workload, directory));
  }
  for (let round = 1; round <= rounds; round += 1) {
    const order = round % 2 === 0 ? servers.toReversed() : servers;
    for (const running of order) {
      progress(`round ${round} of ${rounds}: ${running.name}`);
      results.get(running.name).push(await turn(running, directory));
    }
  }
} finally {
  for (const { server } of servers) await server.end();
  await rm(directory, { recursive: true, force: true });
  if (redis !== undefined) {
    const ended = once(redis.child, 'exit');
    redis.child.kill();
    await ended;
  }
}
progressDone();

const of = (name, field) => (results.get(name) ?? []).map((each) => each[field]);
/** The peer's figure over ours, round by round: 1 is level, less is slower. */
const ratiosOf = (field, name, peer) => ratios(of(peer, field), of(name, field));
const FAST = 'fastify: ours, @Tasks()';
const goals = [
  ...Object.entries(GOALS).flatMap(([adapter, bars]) =>
    bars.map(([field, ours, peer, goal]) => ({
      what: `${adapter}: ${ours} over ${peer}, ${field === 'user' ? 'user' : 'all'} CPU`,
      goal,
      found: ratiosOf(field, `${adapter}: ${ours}`, `${adapter}: ${peer}`),
    })),
  ),
  {
    what: `${FAST} over FastAPI's requests/s`,
    goal: 3,
    found: ratios(of(FAST, 'perSecond'), of('FastAPI', 'perSecond')),
  },
];
const measured = [...results.keys()].filter((name) => results.get(name).length > 0);
await report({
  write,
  heading: `${requests} requests, ${AT_ONCE} at a time; medians of ${rounds} rounds, quartiles of CPU`,
  tables: [
    {
      name: 'servers',
      head: [
        '',
        'requests/s',
        'p50',
        'p99',
        'all CPU',
        'quartiles',
        'user CPU',
        'quartiles',
        'to bare',
      ],
      rows: measured.map((name) => [
        name,
        fixed(median(of(name, 'perSecond')), 0),
        fixed(median(of(name, 'p50')), 1, ' ms'),
        fixed(median(of(name, 'p99')), 1, ' ms'),
        fixed(median(of(name, 'cpu')), 0, ' µs'),
        quartiles(of(name, 'cpu'), 0),
        fixed(median(of(name, 'user')), 0, ' µs'),
        quartiles(of(name, 'user'), 0),
        fixed(median(ratiosOf('cpu', name, `${name.split(':')[0]}: bare`)), 2),
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
