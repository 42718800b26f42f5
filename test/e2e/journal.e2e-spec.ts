import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Rounds } from '../chaos/rounds.js';

let rounds: Rounds;

beforeEach(async () => {
  rounds = await Rounds.prepare('journal', undefined, { drainTimeoutMs: 1_000 });
});
afterEach(() => rounds.end());

// A task that kills its process again and again: test/unit/journal/restart.spec.ts.
it('P17: a process that is killed twice under load loses nothing that was acknowledged', async () => {
  await rounds.end();
  rounds = await Rounds.prepare('journal', undefined, { maxStarts: 1_000_000 });
  await rounds.killServers(2);
  expect((await rounds.settle()).lost).toEqual([]);
  expect(rounds.load.acknowledged.size).toBeGreaterThan(0);
});

it('D23: each failed task runs, though the process that runs them all again is killed', async () => {
  expect(await rounds.killRetrying(200)).toEqual({ lost: 0, failed: 0 });
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
