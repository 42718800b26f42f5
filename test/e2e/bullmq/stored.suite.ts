import { readFile } from 'node:fs/promises';
import { Redis } from 'ioredis';
import { expect, it } from '@jest/globals';
import type { TestServer } from '../../support/servers.js';
import { TestStore } from './store.js';

/** What versions have left in Redis: `fixtures/write.ts` makes one. Every later version reads all of them. */
export function storedSuite(makeServer: () => Promise<TestServer>): void {
  const store = new TestStore(makeServer);

  it.each(['0.2.0'])('reads what version %s has written', async (version) => {
    const fixture = new URL(`fixtures/redis-${version}.json`, import.meta.url);
    const redis = new Redis(store.url);
    await redis.flushall();
    for (const [command = '', ...args] of JSON.parse(
      await readFile(fixture, 'utf8'),
    ) as string[][]) {
      await redis.call(command, ...args);
    }
    redis.disconnect();

    const { tasks, work, log } = await store.start({ prefix: undefined });
    await tasks.whenIdle();
    expect(work.done.slice(0, 1)).toEqual(['waiting']); // its priority is high
    expect(work.done.toSorted()).toEqual(['chained 1', 'chained 2', 'delayed', 'waiting']);
    expect(work.done.indexOf('chained 1')).toBeLessThan(work.done.indexOf('chained 2'));
    const [dead, ...others] = await tasks.list({ status: 'failed' });
    expect(dead).toMatchObject({ name: 'fail', args: ['dead', 1], attempts: 1 });
    expect((await tasks.get(dead?.id ?? ''))?.logs).toEqual([expect.stringMatching('attempt 1')]);
    expect(others).toEqual([]);
    expect(await tasks.listSchedules()).toMatchObject([{ name: 'yearly', cron: '0 0 1 1 *' }]);
    expect(log.text).not.toMatch(/^error /m);
  });
}
