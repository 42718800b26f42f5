// Kills processes at random moments under load and starts them again: is every acknowledged task run?
//
//   npm run chaos -- --engine journal --rounds 50
//   npm run chaos -- --engine redis --rounds 20                 the server, and a worker beside it
//   npm run chaos -- --engine postgres --kill store --rounds 10 the store, while the server lives
//   npm run chaos -- --engine redis --kill store --how stop     the same, stopped as its operator would
//
// Fails where a task was lost. Duplicates are counted, since delivery is at least once, and the slowest answer is told:
// `commitTimeout` is 2 s.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { postgresServer, redisServer, type TestServer } from '../support/servers.js';
import compile from '../support/compile.mjs';
import { balanceOf, Load } from './load.js';
import { optionsOf } from './options.js';
import { linesOf, ServerProcess, type ServerSetting } from './server-process.js';

const SHORTEST_MS = 50;
const LONGEST_MS = 1_000;

const { rounds, engine, kill, how } = optionsOf(
  { rounds: 50 },
  {
    engine: ['journal', 'redis', 'postgres'],
    kill: ['server', 'store'],
    how: ['kill', 'stop'],
  },
);
await compile();
const store = await storeOf();
const folder = await mkdtemp(join(tmpdir(), 'bgt-chaos-'));
const setting: ServerSetting = {
  engine,
  ...(store && { url: store.url }),
  folder,
  recordFile: join(folder, 'record'),
  // The default gives up a task that is found running by three kills in a row, taking it for their
  // cause. Here they come from outside, within moments of a start.
  maxStarts: 1_000_000,
  // Long where the store is killed: what lands though its request gave up is taken back meanwhile.
  holdMs: kill === 'store' ? 30_000 : 2_000,
  longestTaskMs: 20,
  drainTimeoutMs: 10_000,
};
const load = new Load();
const running = new Set<ServerProcess>();

try {
  await store?.start();
  if (kill === 'store' && store !== undefined) {
    await killStore(store);
  } else {
    await killServers();
  }

  const last = await start();
  await last.send('GET', '/idle');
  const given = JSON.parse((await last.send('GET', '/failed')).body) as unknown[];
  last.kill('SIGTERM');
  await last.ended;

  const balance = balanceOf(load.acknowledged, await linesOf(setting.recordFile));
  const refused = [...load.refused].map(([status, count]) => `${count} × ${status}`).join(', ');
  console.log(
    `${engine}, ${rounds} rounds of ${how === 'stop' ? 'stopping' : 'kill -9 of'} the ${kill}: ` +
      `${balance.acknowledged} acknowledged, ${balance.recorded} recorded, ` +
      `${balance.lost.length} lost, ${balance.duplicates} duplicate runs, ` +
      `${balance.unacknowledged} run though not acknowledged (${load.cutOff} cut off), ` +
      `${given.length} given up, refused: ${refused || 'none'}, ` +
      `slowest answer ${Math.round(load.slowestMs)} ms`,
  );
  if (balance.lost.length > 0 || balance.acknowledged === 0) {
    console.log(`lost: ${balance.lost.slice(0, 20).join(', ')}`);
    process.exitCode = 1;
  }
} finally {
  for (const server of running) {
    server.kill('SIGKILL');
    await server.ended;
  }
  await store?.remove();
  await rm(folder, { recursive: true, force: true });
}

/** One process that answers and runs tasks; where others may share them, one more that runs some. */
async function killServers(): Promise<void> {
  for (let round = 1; round <= rounds; round += 1) {
    const [server, worker] = await Promise.all([
      start(),
      store === undefined ? undefined : start('worker'),
    ]);
    const before = load.acknowledged.size;
    const under = load.run(server);
    await untilAcknowledged(before + 1, server);
    await Promise.all([killSoon(server), worker && killSoon(worker), under]);
    report(round);
  }
}

/** @throws Error where the server did not live through it */
async function killStore(victim: TestServer): Promise<void> {
  const server = await start();
  const under = load.run(server);
  for (let round = 1; round <= rounds; round += 1) {
    const before = load.acknowledged.size;
    await sleep(randomMs());
    await (how === 'stop' ? victim.stop() : victim.kill());
    // Longer, at times, than a request may wait.
    await sleep(3 * randomMs());
    await victim.start();
    await untilAcknowledged(before + 50, server);
    report(round);
  }
  load.stop();
  await under;
  if (!running.has(server) || load.cutOff > 0) {
    throw new Error(`The server did not live through it: ${server.output}`);
  }
  server.kill('SIGTERM');
  await server.ended;
}

async function start(role: ServerSetting['role'] = 'both'): Promise<ServerProcess> {
  const server = await ServerProcess.start({ ...setting, role });
  running.add(server);
  void server.ended.then(() => running.delete(server));
  return server;
}

/** Load has no events of its own: it is looked at, every few milliseconds. */
async function untilAcknowledged(count: number, server: ServerProcess): Promise<void> {
  while (load.acknowledged.size < count && running.has(server)) {
    await sleep(5);
  }
}

async function killSoon(server: ServerProcess): Promise<void> {
  await sleep(randomMs());
  server.kill('SIGKILL');
  await server.ended;
}

function randomMs(): number {
  return SHORTEST_MS + Math.random() * (LONGEST_MS - SHORTEST_MS);
}

function report(round: number): void {
  process.stderr.write(`round ${round}: ${load.acknowledged.size} acknowledged so far\n`);
}

function storeOf(): Promise<TestServer | undefined> {
  switch (engine) {
    case 'redis':
      return redisServer();
    case 'postgres':
      return postgresServer();
    default:
      return Promise.resolve(undefined);
  }
}
