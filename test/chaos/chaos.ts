// Kills processes at random moments under load and starts them again: is every acknowledged task run?
//
//   npm run chaos -- --engine journal --rounds 50
//   npm run chaos -- --engine redis --rounds 20                 the server, and a worker beside it
//   npm run chaos -- --engine postgres --kill store --rounds 10 the store, while the server lives
//   npm run chaos -- --engine redis --kill store --how stop     the same, stopped as its operator would
//
// Fails if a task was lost. Duplicates are counted, because delivery is at least once. The slowest answer is printed, too:
// `commitTimeout` is 2 s.
import { postgresServer, redisServer } from '../support/servers.js';
import compile from '../support/compile.mjs';
import { optionsOf } from './options.js';
import { Rounds } from './rounds.js';

const { rounds, engine, kill, how } = optionsOf(
  { rounds: 50 },
  {
    engine: ['journal', 'redis', 'postgres'],
    kill: ['server', 'store'],
    how: ['kill', 'stop'],
  },
);
await compile();
const makeStore = { redis: redisServer, postgres: postgresServer }[engine];
const store = await makeStore?.();
const chaos = await Rounds.prepare(engine, store, {
  // By default a task that was running at three kills in a row is given up as their cause. Here the
  // kills come from outside, within moments of a start.
  maxStarts: 1_000_000,
  // Long where the store is killed: tasks stored after their request gave up are removed meanwhile.
  holdMs: kill === 'store' ? 30_000 : 2_000,
});

try {
  await store?.start();
  if (kill === 'store' && store !== undefined) {
    await chaos.killStore(rounds, store, how as 'kill' | 'stop');
  } else {
    await chaos.killServers(rounds);
  }
  const { load } = chaos;
  const end = await chaos.settle();
  const refused = [...load.refused].map(([status, count]) => `${count} × ${status}`).join(', ');
  console.log(
    `${engine}, ${rounds} rounds of ${how === 'stop' ? 'stopping' : 'kill -9 of'} the ${kill}: ` +
      `${end.acknowledged} acknowledged, ${end.recorded} recorded, ` +
      `${end.lost.length} lost, ${end.duplicates} duplicate runs, ` +
      `${end.unacknowledged} run though not acknowledged (${load.cutOff} cut off), ` +
      `${end.given.length} given up, refused: ${refused || 'none'}, ` +
      `slowest answer ${Math.round(load.slowestMs)} ms`,
  );
  if (end.lost.length > 0 || end.acknowledged === 0) {
    console.log(`lost: ${end.lost.slice(0, 20).join(', ')}`);
    process.exitCode = 1;
  }
} finally {
  await chaos.end();
  await store?.remove();
}
