// The time of GET /ping while a server drains no-op tasks, as a ratio to the time while they wait. Ten clients repeat the
// request as soon as they have their answer.
//
//   npm run bench:fairness -- --rounds 5 --tasks 100000 --only fastify
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import {
  fixed,
  median,
  percentile,
  progress,
  progressDone,
  quartiles,
  ratios,
} from './figures.mjs';
import { benchmarkOptions } from './options.mjs';
import { report } from './report.mjs';
import { SERVERS, freePort, startNode } from './servers/server-process.mjs';

const CLIENTS = 10;
const WARM_UP_MS = 500;
const IDLE_MS = 300;

const { rounds, tasks, chosen, write } = benchmarkOptions({ rounds: 5, tasks: 100_000 }, [
  'express',
  'fastify',
]);
const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS + 1 });

function send(port, method, path) {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, method, path, agent }, (response) => {
      response.resume().once('end', resolve).once('error', reject);
    })
      .once('error', reject)
      .end();
  });
}

/** The p99 of the pings until the drain is over. */
async function pingUntil(port, isOver) {
  const latencies = [];
  const client = async () => {
    do {
      const sentAt = performance.now();
      await send(port, 'GET', '/ping');
      latencies.push(performance.now() - sentAt);
    } while (!isOver());
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return percentile(latencies, 0.99);
}

function idle(port, forMs) {
  const end = performance.now() + forMs;
  return pingUntil(port, () => performance.now() > end);
}

async function draining(port) {
  let isDrained = false;
  const drained = send(port, 'POST', '/drain').then(() => (isDrained = true));
  const p99 = await pingUntil(port, () => isDrained);
  await drained;
  return p99;
}

const figures = new Map();
for (const adapter of chosen) {
  const port = await freePort();
  const server = startNode([join(SERVERS, 'nest-draining.mjs'), adapter, String(port)]);
  try {
    await server.untilAnswering(`http://127.0.0.1:${port}/ping`);
    await idle(port, WARM_UP_MS);
    const all = { idle: [], draining: [] };
    figures.set(adapter, all);
    for (let round = 1; round <= rounds; round += 1) {
      progress(`${adapter}: round ${round} of ${rounds}`);
      await send(port, 'POST', `/fill/${tasks}`);
      all.idle.push(await idle(port, IDLE_MS));
      all.draining.push(await draining(port));
    }
  } finally {
    await server.end();
  }
}
agent.destroy();
progressDone();

await report({
  write,
  heading: `GET /ping, ${CLIENTS} clients, ${tasks} no-op tasks; medians of ${rounds} rounds`,
  tables: [
    {
      name: 'pings',
      head: ['', 'p99 idle', 'p99 draining', 'draining over idle', 'quartiles'],
      rows: [...figures].map(([adapter, all]) => [
        adapter,
        fixed(median(all.idle), 2, ' ms'),
        fixed(median(all.draining), 2, ' ms'),
        fixed(median(ratios(all.draining, all.idle)), 2),
        quartiles(ratios(all.draining, all.idle), 2),
      ]),
    },
  ],
});
