import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { Rounds } from '../../chaos/rounds.js';
import type { TestServer } from '../../support/servers.js';

/** Processes that end, by force or as they are told, while requests come in: nothing is lost. */
export function chaosSuite(engine: string, makeServer: () => Promise<TestServer>): void {
  let store: TestServer;
  let rounds: Rounds;

  beforeAll(async () => {
    store = await makeServer();
    await store.start();
  });
  beforeEach(async () => {
    // They are killed from outside, within moments of a start: their tasks are not the cause.
    const own = { maxStarts: 1_000_000, holdMs: 2_000, drainTimeoutMs: 3_000 };
    rounds = await Rounds.prepare(engine, store, own);
  });
  afterEach(() => rounds.end());
  afterAll(() => store.remove());

  it('P17: loses nothing that was acknowledged where servers and workers are killed', async () => {
    await rounds.killServers(2);
    expect((await rounds.settle()).lost).toEqual([]);
    expect(rounds.load.acknowledged.size).toBeGreaterThan(0);
  });

  it('D23: each failed task runs, though the process that runs them all again is killed', async () => {
    expect(await rounds.killRetrying(200)).toEqual({ lost: 0, failed: 0 });
  });

  it('P13: SIGTERM under load ends the process and loses nothing', async () => {
    await rounds.terminateUnderLoad(200);
    expect(await rounds.settle()).toMatchObject({ lost: [], duplicates: 0 });
  });
}
