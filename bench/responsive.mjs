// How long GET /ping takes while tasks burn CPU: 50 ms each, 20 a second, for 10 s. Pings leave on time, one every 10 ms,
// whether the one before is back or not, and count from when they were due: a server that stands still hides nothing.
//
//   npm run bench:responsive          3 rounds
//   npm run bench:responsive -- 1     1 round
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
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

const ROUNDS = Number(process.argv[2] ?? 3);
const WINDOW_MS = 10_000;
const PING_EVERY_MS = 10;
const TASK_EVERY_MS = 50;
const WARM_UP_MS = 1_500;

const nest = (mode) => (port) =>
  startNode([join(SERVERS, 'nest-responsive.mjs'), mode, String(port)]);

const VARIANTS = [
  { name: 'Nest, idle', start: nest('threads'), isIdle: true },
  { name: 'Nest, inline', start: nest('inline') },
  { name: 'Nest, threads', start: nest('threads') },
  ...(hasUvicorn()
    ? [
        {
          name: 'FastAPI, idle',
          start: (port) => startUvicorn('fastapi_responsive:app', port),
          isIdle: true,
        },
        {
          name: 'FastAPI, thread pool',
          start: (port) => startUvicorn('fastapi_responsive:app', port),
        },
      ]
    : []),
];

const agent = new Agent({ keepAlive: true, maxSockets: 256 });

function send(port, method, path) {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, method, path, agent }, (response) => {
      response.resume().once('end', resolve).once('error', reject);
    })
      .once('error', reject)
      .end();
  });
}

/** Calls `send` at every `everyMs`, for `forMs`; resolves to how late each was answered. */
async function atRate(everyMs, forMs, sendOne) {
  const startedAt = performance.now();
  const latencies = [];
  const open = [];
  for (let dueMs = 0; dueMs < forMs; dueMs += everyMs) {
    const waitMs = startedAt + dueMs - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    const dueAt = startedAt + dueMs;
    open.push(sendOne().then(() => latencies.push(performance.now() - dueAt)));
  }
  await Promise.all(open);
  return latencies;
}

async function measure({ start, isIdle }) {
  const port = await freePort();
  const server = start(port);
  const url = `http://127.0.0.1:${port}`;
  try {
    await server.untilAnswering(`${url}/ping`);
    await atRate(PING_EVERY_MS, WARM_UP_MS, () => send(port, 'GET', '/ping'));
    if (!isIdle) await send(port, 'POST', '/burn');
    await sleep(500);
    const burning = isIdle
      ? []
      : atRate(TASK_EVERY_MS, WINDOW_MS, () => send(port, 'POST', '/burn'));
    const pings = await atRate(PING_EVERY_MS, WINDOW_MS, () => send(port, 'GET', '/ping'));
    const { completed, failed } = await (await fetch(`${url}/burned`)).json();
    await burning;
    if (failed > 0) throw new Error(`${failed} tasks failed:\n${server.output}`);
    return { p50: median(pings), p99: percentile(pings, 0.99), completed };
  } finally {
    await server.end();
  }
}

const figures = new Map(VARIANTS.map(({ name }) => [name, []]));
for (let round = 1; round <= ROUNDS; round += 1) {
  for (const variant of VARIANTS) {
    progress(`round ${round} of ${ROUNDS}: ${variant.name}`);
    figures.get(variant.name).push(await measure(variant));
  }
}
agent.destroy();
progressDone();

const of = (name, key) => median(figures.get(name).map((each) => each[key]));
const rows = [...figures].map(([name, rounds]) => {
  const idle = name.replace(/, .*/, ', idle');
  return [
    name,
    `${of(name, 'p50').toFixed(1)} ms`,
    `${of(name, 'p99').toFixed(1)} ms`,
    `${median(rounds.map(({ p99 }, round) => p99 / figures.get(idle)[round].p99)).toFixed(1)}x`,
    String(of(name, 'completed')),
    rounds.map(({ p99 }) => p99.toFixed(1)).join(', '),
  ];
});
console.log(
  `GET /ping, one every ${PING_EVERY_MS} ms, while tasks burn 50 ms each, ${1000 / TASK_EVERY_MS} a second, for ` +
    `${WINDOW_MS / 1000} s; medians of ${ROUNDS}, "over idle" of the ratios within each round; ${machine()}\n`,
);
console.log(
  table(['', 'p50', 'p99', 'p99 over idle', 'tasks done of 200', 'p99 of each round'], rows),
);
const plot = join(ROOT, 'bench/plots/responsive.svg');
await barChart(plot, {
  title: 'GET /ping while tasks burn CPU, p99 (ms, less is better)',
  bars: [...figures.keys()].map((name) => ({
    name,
    value: of(name, 'p99'),
    isOurs: name.startsWith('Nest') && !name.endsWith('idle'),
  })),
});
console.log(`\n${plot}`);
