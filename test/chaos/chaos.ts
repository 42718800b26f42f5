// Kills a server at random moments under load and starts it again: is every acknowledged task run?
//
//   npm run chaos -- --engine journal --rounds 50
//
// Fails where one was lost. Duplicates are counted: delivery is at least once.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { balanceOf, Load } from './load.js';
import { linesOf, ServerProcess, type ServerSetting } from './server-process.js';

const SHORTEST_LIFE_MS = 50;
const LONGEST_LIFE_MS = 1_000;

const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'journal' },
    rounds: { type: 'string', default: '50' },
  },
});
const folder = await mkdtemp(join(tmpdir(), 'bgt-chaos-'));
const setting: ServerSetting = {
  engine: values.engine,
  folder,
  recordFile: join(folder, 'record'),
  // The default gives up a task that is found running by three kills in a row, taking it for their
  // cause. Here they come from outside, within moments of a start.
  maxStarts: 1_000_000,
  longestTaskMs: 20,
  drainTimeoutMs: 10_000,
};
const load = new Load();
const rounds = Number(values.rounds);

try {
  for (let round = 1; round <= rounds; round += 1) {
    const server = await ServerProcess.start(setting);
    const under = load.run(server);
    await sleep(SHORTEST_LIFE_MS + Math.random() * (LONGEST_LIFE_MS - SHORTEST_LIFE_MS));
    server.kill('SIGKILL');
    await Promise.all([under, server.ended]);
    process.stderr.write(`round ${round}: ${load.acknowledged.size} acknowledged so far\n`);
  }

  const last = await ServerProcess.start(setting);
  await last.send('GET', '/idle');
  const given = JSON.parse((await last.send('GET', '/failed')).body) as unknown[];
  last.kill('SIGTERM');
  await last.ended;

  const balance = balanceOf(load.acknowledged, await linesOf(setting.recordFile));
  const refused = [...load.refused].map(([status, count]) => `${count} × ${status}`).join(', ');
  console.log(
    `${values.engine}, ${rounds} rounds of kill -9: ${balance.acknowledged} acknowledged, ` +
      `${balance.lost.length} lost, ${balance.duplicates} duplicate runs, ` +
      `${balance.unacknowledged} run though their request was cut off (of ${load.cutOff}), ` +
      `${given.length} given up, refused: ${refused || 'none'}`,
  );
  if (balance.lost.length > 0 || balance.acknowledged === 0) {
    console.log(`lost: ${balance.lost.slice(0, 20).join(', ')}`);
    process.exitCode = 1;
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
