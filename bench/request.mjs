// What one tiny task costs a request: POSTs by `ab` on kept-alive connections to a server in a process of its own, in
// every way there is to send a mail afterwards. CPU is the server's own, from the operating system: on a machine that
// others use it is steadier than requests per second.
//
//   npm run bench:request [-- --rounds 5 --requests 10000 --only fastify]
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { machine, median, percentile, progress, progressDone, table } from './figures.mjs';
import { barChart } from './plot.mjs';
import {
  ROOT,
  SERVERS,
  freePort,
  hasUvicorn,
  startNode,
  startUvicorn,
} from './servers/server-process.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    requests: { type: 'string', default: '10000' },
    only: { type: 'string', default: '' },
  },
});
const ROUNDS = Number(values.rounds);
const REQUESTS = Number(values.requests);
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

const redis = await startRedis();
const workloads = [];
for (const adapter of ['express', 'fastify']) {
  for (const variant of NEST_VARIANTS) {
    if (variant !== 'bullmq' || redis !== undefined) {
      workloads.push({
        name: `${adapter}: ${variant}`,
        hasTask: !['bare', 'interceptor', 'ours, no task'].includes(variant),
        start: (port) =>
          startNode([join(SERVERS, 'nest-request.mjs'), adapter, variant, String(port)], {
            env: { NO_COLOR: '1', NODE_ENV: 'production', REDIS_PORT: String(redis?.port) },
          }),
      });
    }
  }
}
if (hasUvicorn()) {
  workloads.push({
    name: 'FastAPI',
    hasTask: true,
    start: (port) => startUvicorn('fastapi_request:app', port),
  });
}

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

async function ab(url, directory, requests) {
  const latencies = join(directory, 'latencies.csv');
  const { stdout } = await run(
    'ab',
    `-q -k -n ${requests} -c ${AT_ONCE} -e ${latencies} -p ${join(directory, 'body')} -T`
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
    const warmUp = Math.max(2_000, REQUESTS / 2);
    await ab(`${url}/mails/ada@example.com`, directory, warmUp);
    if (hasTask) await untilDone(url, warmUp);
    const before = cpuSeconds(server.pid);
    const figures = await ab(`${url}/mails/ada@example.com`, directory, REQUESTS);
    if (hasTask) await untilDone(url, warmUp + REQUESTS);
    const seconds = cpuSeconds(server.pid) - before;
    return { ...figures, cpu: (seconds * 1e6) / REQUESTS };
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

const chosen = workloads.filter(({ name }) => name.includes(values.only));
const results = new Map(chosen.map(({ name }) => [name, []]));
const directory = await mkdtemp(join(tmpdir(), 'request-'));
try {
  await writeFile(join(directory, 'body'), '{}');
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const workload of chosen) {
      progress(`round ${round} of ${ROUNDS}: ${workload.name}`);
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
const ratiosOf = (name, peer) => {
  const peers = of(peer, 'cpu');
  return of(name, 'cpu').flatMap((cpu, round) =>
    peers[round] === undefined ? [] : [peers[round] / cpu],
  );
};
const spread = (numbers, digits) =>
  [0.25, 0.75].map((share) => percentile(numbers, share).toFixed(digits)).join('–');

const measured = [...results].filter(([, rounds]) => rounds.length > 0).map(([name]) => name);
console.log(
  `${REQUESTS} requests, ${AT_ONCE} at a time; medians of ${ROUNDS} rounds, quartiles of CPU; ${machine()}\n`,
);
console.log(
  table(
    ['', 'requests/s', 'p50', 'p99', 'CPU a request', 'quartiles', 'CPU ratio to bare'],
    measured.map((name) => {
      const bare = `${name.split(':')[0]}: bare`;
      const ratios = ratiosOf(name, bare);
      return [
        name,
        Math.round(median(of(name, 'perSecond'))).toLocaleString('en'),
        `${median(of(name, 'p50')).toFixed(1)} ms`,
        `${median(of(name, 'p99')).toFixed(1)} ms`,
        `${median(of(name, 'cpu')).toFixed(0)} µs`,
        spread(of(name, 'cpu'), 0),
        ratios.length > 0 ? median(ratios).toFixed(2) : '–',
      ];
    }),
  ),
);

const goals = ['express', 'fastify'].flatMap((adapter) =>
  GOALS.flatMap(([ours, peer, goal]) => {
    const ratios = ratiosOf(`${adapter}: ${ours}`, `${adapter}: ${peer}`);
    return ratios.length === 0
      ? []
      : [[`${adapter}: ${ours} over ${peer}`, goal.toFixed(2), median(ratios), spread(ratios, 2)]];
  }),
);
const fast = of('fastify: ours, @Tasks()', 'perSecond');
const python = of('FastAPI', 'perSecond');
if (fast.length > 0 && python.length > 0) {
  const ratios = fast.flatMap((each, round) =>
    python[round] === undefined ? [] : [each / python[round]],
  );
  goals.push([
    "fastify: ours, @Tasks() over FastAPI's requests/s",
    '2.00',
    median(ratios),
    spread(ratios, 2),
  ]);
}
console.log(`\n${goalTable()}`);

function goalTable() {
  const rows = goals.map(([what, goal, ratio, quartiles]) => [
    what,
    goal,
    ratio.toFixed(2),
    quartiles,
    ratio >= Number(goal) ? 'met' : 'not met',
  ]);
  return table(['goal', 'at least', 'median', 'quartiles', ''], rows);
}

const plot = join(ROOT, 'bench/plots/request.svg');
await barChart(plot, {
  title: 'CPU of the server for a request that sends a mail afterwards (µs, less is better)',
  bars: measured.map((name) => ({
    name,
    value: median(of(name, 'cpu')),
    isOurs: name.includes('ours'),
  })),
});
console.log(`\n${plot}`);
if (!hasUvicorn()) console.log('FastAPI is not installed here (uvicorn, python3-fastapi).');
if (redis === undefined) console.log('redis-server is not installed here: BullMQ is left out.');
