// The time of GET /ping while tasks burn CPU: 50 ms each, 20 per second. A ping is sent every 10 ms, even if the one before
// has no answer yet, and its time counts from when it was due, so that a server cannot hide that it stands still.
//
//   npm run bench:responsive -- --rounds 3 --seconds 10 --only Nest
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { fixed, median, percentile, progress, progressDone, ratios } from './figures.mjs';
import { benchmarkOptions } from './options.mjs';
import { report } from './report.mjs';
import {
  SERVERS,
  freePort,
  hasUvicorn,
  startNode,
  startUvicorn,
} from './servers/server-process.mjs';

const PING_EVERY_MS = 10;
const TASK_EVERY_MS = 50;
const WARM_UP_MS = 1_500;

const nest = (mode) => (port) =>
  startNode([join(SERVERS, 'nest-responsive.mjs'), mode, String(port)]);

const fastapi = (port) => startUvicorn('fastapi_responsive:app', port);

const VARIANTS = [
  { name: 'Nest, idle', start: nest('threads'), isIdle: true },
  { name: 'Nest, inline', start: nest('inline') },
  { name: 'Nest, threads', start: nest('threads') },
  { name: 'FastAPI, idle', start: fastapi, isIdle: true },
  { name: 'FastAPI, thread pool', start: fastapi },
];
const { rounds, seconds, chosen, write } = benchmarkOptions(
  { rounds: 3, seconds: 10 },
  VARIANTS.map(({ name }) => name),
);
const windowMs = seconds * 1000;
const variants = VARIANTS.filter(
  ({ name }) => chosen.includes(name) && (!name.startsWith('FastAPI') || hasUvicorn()),
);

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

/** Calls `send` every `everyMs`, for `forMs`; resolves to the delay of each answer. */
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
      : atRate(TASK_EVERY_MS, windowMs, () => send(port, 'POST', '/burn'));
    const pings = await atRate(PING_EVERY_MS, windowMs, () => send(port, 'GET', '/ping'));
    const { completed, failed } = await (await fetch(`${url}/burned`)).json();
    await burning;
    if (failed > 0) throw new Error(`${failed} tasks failed:\n${server.output}`);
    return { p50: median(pings), p99: percentile(pings, 0.99), completed };
  } finally {
    await server.end();
  }
}

const figures = new Map(variants.map(({ name }) => [name, []]));
for (let round = 1; round <= rounds; round += 1) {
  for (const variant of variants) {
    progress(`round ${round} of ${rounds}: ${variant.name}`);
    figures.get(variant.name).push(await measure(variant));
  }
}
agent.destroy();
progressDone();

const of = (name, field) => (figures.get(name) ?? []).map((each) => each[field]);
const added = Math.ceil(windowMs / TASK_EVERY_MS);
await report({
  write,
  heading:
    `GET /ping, one every ${PING_EVERY_MS} ms, while tasks burn 50 ms each, ${1000 / TASK_EVERY_MS} a second, for ` +
    `${seconds} s; medians of ${rounds} rounds, "over idle" of the ratios within each round`,
  tables: [
    {
      name: 'pings',
      head: ['', 'p50', 'p99', 'p99 over idle', `tasks done of ${added}`, 'p99 of each round'],
      rows: variants.map(({ name }) => {
        const idle = of(name.replace(/, .*/, ', idle'), 'p99');
        return [
          name,
          fixed(median(of(name, 'p50')), 1, ' ms'),
          fixed(median(of(name, 'p99')), 1, ' ms'),
          fixed(median(ratios(of(name, 'p99'), idle)), 1, 'x'),
          fixed(median(of(name, 'completed')), 0),
          of(name, 'p99')
            .map((each) => fixed(each, 1))
            .join(', '),
        ];
      }),
    },
  ],
  notes: hasUvicorn() ? [] : ['FastAPI is not installed here (uvicorn, python3-fastapi).'],
  plots: [
    {
      name: 'responsive',
      title: 'GET /ping while tasks burn CPU, p99 (ms, less is better)',
      bars: variants.map(({ name }) => ({
        name,
        value: median(of(name, 'p99')),
        isOurs: name.startsWith('Nest') && !name.endsWith('idle'),
      })),
    },
  ],
});
