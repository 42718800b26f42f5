import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Rounds } from '../chaos/rounds.js';
import { linesOf } from '../chaos/server-process.js';

let rounds: Rounds;

beforeEach(async () => {
  rounds = await Rounds.prepare('journal', undefined, { drainTimeoutMs: 1_000 });
});
afterEach(() => rounds.end());

describe('a process that is killed', () => {
  it('by its own task, each time: is not killed more than maxStarts times', async () => {
    const lines = (): Promise<string[]> => linesOf(rounds.setting.recordFile);
    const first = await rounds.start();
    await first.send('POST', '/deadly/bomb').catch(() => undefined);
    await first.ended;
    for (let starts = 2; starts <= 3; starts += 1) {
      // It may be down before it listens: tasks start when the application has started.
      const again = await rounds.start().catch(() => undefined);
      await again?.ended;
    }
    expect(await lines()).toEqual(['started bomb', 'started bomb', 'started bomb']);

    const fourth = await rounds.start();
    await fourth.send('GET', '/idle');
    const failed = JSON.parse((await fourth.send('GET', '/failed')).body) as { id: string }[];
    expect(failed).toMatchObject([{ args: ['bomb'], error: 'BGT_TASK_CRASHED' }]);
    expect(await lines()).toHaveLength(3);
    await fourth.send('POST', '/record/other');
    await fourth.send('GET', '/idle');

    await fourth.send('POST', `/retry/${failed[0]?.id}`).catch(() => undefined);
    await fourth.ended;
    expect(await lines()).toHaveLength(5);
  });

  it('P17: at random, three times under load: loses nothing that was acknowledged', async () => {
    await rounds.end();
    rounds = await Rounds.prepare('journal', undefined, { maxStarts: 1_000_000 });
    await rounds.killServers(3);
    expect((await rounds.settle()).lost).toEqual([]);
    expect(rounds.load.acknowledged.size).toBeGreaterThan(0);
  });
});

it('without lmdb the application does not start, and says what to install', async () => {
  const missing = new URL('without-lmdb/register.mjs', import.meta.url).href;
  await expect(rounds.start('both', ['--import', missing])).rejects.toThrow(
    'refused nestjs-background-tasks/journal needs lmdb: npm install lmdb',
  );
});

describe('P13: SIGTERM under load', () => {
  it('loses nothing that was acknowledged, with the memory engine', async () => {
    await rounds.end();
    rounds = await Rounds.prepare('memory');
    // What is added after the signal may be more than the time allows for.
    await rounds.terminateUnderLoad(500, true);
    expect(await rounds.balance()).toMatchObject({ lost: [], duplicates: 0 });
  });

  it('loses nothing that was acknowledged, with a journal and a load that goes on', async () => {
    await rounds.terminateUnderLoad(500);
    expect(await rounds.settle()).toMatchObject({ lost: [], duplicates: 0 });
  });
});
