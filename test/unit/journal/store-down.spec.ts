/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { afterEach, describe, expect, it } from '@jest/globals';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { ExpressAdapter } from '@nestjs/platform-express';
import { JournalRecord } from '../../../lib/engine/journal/journal-record.js';
import { Application } from '../../conformance/support/application.js';
import { recordsIn, temporaryFolder } from './support/machine.js';
import { engineOn, FragileStore } from './support/stores.js';

const COMMIT_TIMEOUT_MS = 150;
const ID = '5ad6b1e7-3f0c-4a68-9d4e-000000000000';

let app: Application;

async function start(
  store: FragileStore,
  path: string,
  adapter = new ExpressAdapter() as ExpressAdapter | FastifyAdapter,
): Promise<void> {
  const engine = engineOn(store, { path, commitTimeout: COMMIT_TIMEOUT_MS });
  app = await Application.start({ engine, drainTimeout: 50 }, [], adapter);
}

afterEach(() => app.close());

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('P17: a request on %s', (_name, createAdapter) => {
  it.each(['refuses', 'silent'] as const)(
    'fails with 503 while the store %s, and leaves nothing behind',
    async (mood) => {
      const path = await temporaryFolder();
      const store = new FragileStore(path);
      await start(store, path, createAdapter());
      store.mood = mood;
      const startedAt = performance.now();
      expect(await app.post('/three')).toBe(503);
      const tookMs = performance.now() - startedAt;
      expect(tookMs).toBeGreaterThanOrEqual(mood === 'silent' ? COMMIT_TIMEOUT_MS - 2 : 0);
      expect(await app.runner.list({ status: 'dropped' })).toMatchObject(
        Array.from({ length: 3 }, () => ({ outcome: { reason: 'not-stored' } })),
      );

      store.mood = 'well';
      expect(await app.post('/three')).toBe(201);
      await app.runner.whenIdle();
      expect(app.book.started).toEqual(['first', 'second', 'third']);
      await app.close();
      expect(await recordsIn(path)).toEqual([]);
    },
  );

  it('fails with 503 where its handler has failed, and what is to run then cannot be stored', async () => {
    const path = await temporaryFolder();
    const store = new FragileStore(path);
    await start(store, path, createAdapter());
    store.mood = 'refuses';
    expect(await app.post('/ends/badly')).toBe(503);
    await app.runner.whenIdle();
    expect(app.book.started).toEqual([]);
  });
});

describe('outside a request', () => {
  it('rejects the call of a method, and drops what addTask() added', async () => {
    const path = await temporaryFolder();
    const store = new FragileStore(path);
    await start(store, path);
    store.mood = 'refuses';
    await expect(app.jobs.note('one')).rejects.toMatchObject({ code: 'BGT_STORE_UNAVAILABLE' });
    const handle = app.runner.addTask(app.jobs.note, 'two');
    expect(await handle.whenSettled()).toEqual({ status: 'dropped', reason: 'not-stored' });
  });
});

describe('a task', () => {
  it('that is to run again waits with its start until that can be written down', async () => {
    const path = await temporaryFolder();
    const store = new FragileStore(path);
    await store.open();
    await leave(store, record('patient', 1));
    await store.close();
    store.mood = 'refuses';
    await start(store, path);
    await store.hasFailed;
    expect(app.book.started).toEqual([]);
    store.mood = 'well';
    await app.runner.whenIdle();
    expect(app.book.of('patient').map(({ attempt }) => attempt)).toEqual([1]);
  });

  it('settles also while its record cannot be removed', async () => {
    const path = await temporaryFolder();
    const store = new FragileStore(path);
    await start(store, path);
    const handle = app.runner.addTask(app.jobs.hold, 'held');
    await app.book.until('held');
    store.mood = 'refuses';
    app.book.open('held');
    expect(await handle.whenSettled()).toMatchObject({ status: 'completed' });
    await store.hasFailed;
    expect(app.log.errors).toEqual([
      expect.stringMatching(/The journal .* could not be written: .* the disk is full/),
    ]);
    store.mood = 'well';
    await app.close();
    expect(await recordsIn(path)).toEqual([]);
  });

  it('is kept as it was where its retry cannot be stored', async () => {
    const path = await temporaryFolder();
    const store = new FragileStore(path);
    await store.open();
    await leave(store, record('left', 3));
    await store.close();
    await start(store, path);
    await app.runner.whenIdle();
    store.mood = 'refuses commits';
    await expect(app.runner.retry(ID)).rejects.toMatchObject({ code: 'BGT_STORE_UNAVAILABLE' });
    expect(await app.runner.list({ status: 'dropped' })).toMatchObject([
      { outcome: { reason: 'not-stored' } },
    ]);
    store.mood = 'well';
    await app.close();
    await start(new FragileStore(path), path);
    await app.runner.whenIdle();
    expect(await app.runner.list({ status: 'failed' })).toMatchObject([{ id: ID }]);
    expect(app.book.started).toEqual([]);
  });
});

describe('a shutdown', () => {
  it('P13: ends while the store does not answer', async () => {
    const path = await temporaryFolder();
    const store = new FragileStore(path);
    await start(store, path);
    app.runner.addTask(app.jobs.hold, 'running');
    await app.book.until('running');
    store.mood = 'silent';
    await expect(app.close()).resolves.toBeUndefined();
  });
});

/** What a former process has left. */
function record(tag: string, starts: number): JournalRecord {
  const call = { args: JSON.stringify([tag]), options: undefined, carried: undefined };
  const left = new JournalRecord(1, ID, 'Jobs.note', 'default', call, 1, 'alone', undefined);
  left.starts = starts;
  return left;
}

function leave(store: FragileStore, left: JournalRecord): Promise<void> {
  return new Promise((resolve, reject) => {
    store.commit([left], (error) => (error === undefined ? resolve() : reject(error)));
  });
}
