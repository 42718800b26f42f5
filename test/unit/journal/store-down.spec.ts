/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { GroupCommit } from '../../../lib/engine/journal/group-commit.js';
import type { Group } from '../../../lib/engine/journal/group.js';
import { JournalRecord } from '../../../lib/engine/journal/journal-record.js';
import { Application } from '../../conformance/support/application.js';
import { Deferred } from '../../support/deferred.js';
import { eventually } from '../../support/eventually.js';
import { recordsIn, temporaryFolder } from './support/machine.js';
import { FragileStore, engineOn } from './support/stores.js';

const COMMIT_TIMEOUT_MS = 1_000;
const ID = '5ad6b1e7-3f0c-4a68-9d4e-000000000000';

let app: Application;
let path: string;
let store: FragileStore;

async function start(): Promise<void> {
  const engine = engineOn(store, { path, commitTimeout: COMMIT_TIMEOUT_MS });
  app = await Application.start({ engine, drainTimeout: 50 });
}

/** What a former process has left. */
function record(tag: string, starts: number): JournalRecord {
  const call = { args: JSON.stringify([tag]), options: undefined, carried: undefined };
  const left = new JournalRecord(1, ID, 'Jobs.note', 'default', call, 1, 'alone', undefined);
  left.starts = starts;
  return left;
}

async function leave(left: JournalRecord): Promise<void> {
  await store.open();
  await new Promise<void>((resolve, reject) => {
    store.commit([left], (error) => (error === undefined ? resolve() : reject(error)));
  });
  await store.close();
}

describe('store down', () => {
  beforeEach(async () => {
    path = await temporaryFolder();
    store = new FragileStore(path);
  });
  afterEach(() => app.close());

  // On both platforms, whatever they answer: e2e/request/stored-first.suite.ts.
  describe('P17: a request', () => {
    it.each(['refuses', 'silent'] as const)(
      'fails with 503 while the store %s, and leaves nothing behind',
      async (mood) => {
        await start();
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

    it('fails with 503 if its handler failed and its failure tasks cannot be stored', async () => {
      await start();
      store.mood = 'refuses';
      expect(await app.post('/ends/badly')).toBe(503);
      await app.runner.whenIdle();
      expect(app.book.started).toEqual([]);
    });
  });

  it('outside a request the call of a method rejects, and a task of addTask() is dropped', async () => {
    await start();
    store.mood = 'refuses';
    await expect(app.jobs.note('one')).rejects.toMatchObject({ code: 'BGT_STORE_UNAVAILABLE' });
    const handle = app.runner.addTask(app.jobs.note, 'two');
    expect(await handle.whenSettled()).toEqual({ status: 'dropped', reason: 'not-stored' });
  });

  describe('a task', () => {
    it('P17: does not start until its start can be recorded, and that is no failure', async () => {
      await leave(record('patient', 1));
      store.mood = 'refuses';
      await start();
      await store.hasFailed;
      expect(app.book.started).toEqual([]);
      store.mood = 'well';
      await app.runner.whenIdle();
      expect(app.book.of('patient').map(({ attempt }) => attempt)).toEqual([1]);
      expect(app.eventsOf(ID)).toEqual(['started', 'completed']);
      expect(app.log.of('warn')).toContainEqual(
        expect.stringContaining(
          `Task Jobs.note (${ID}) was put off by 1000 ms: its start could not be recorded: Error: `,
        ),
      );
      expect((await app.runner.stats()).tasks['Jobs.note']).toMatchObject({
        running: 0,
        completed: 1,
        failed: 0,
        retried: 0,
      });
    });

    it('settles although its record cannot be removed', async () => {
      await start();
      const handle = app.runner.addTask(app.jobs.hold, 'held');
      await app.book.until('held');
      store.mood = 'refuses';
      app.book.open('held');
      expect(await handle.whenSettled()).toMatchObject({ status: 'completed' });
      await store.hasFailed;
      expect(app.log.of('error')).toEqual([
        expect.stringMatching(/The journal .* could not be written: .* the disk is full/),
      ]);
      store.mood = 'well';
      await app.close();
      expect(await recordsIn(path)).toEqual([]);
    });

    it('stays as it was if its retry cannot be stored', async () => {
      await leave(record('left', 3));
      await start();
      await app.runner.whenIdle();
      store.mood = 'refuses commits';
      await expect(app.runner.retry(ID)).rejects.toMatchObject({ code: 'BGT_STORE_UNAVAILABLE' });
      expect(await app.runner.list({ status: 'dropped' })).toMatchObject([
        { outcome: { reason: 'not-stored' } },
      ]);
      store.mood = 'well';
      await app.close();
      store = new FragileStore(path);
      await start();
      await app.runner.whenIdle();
      expect(await app.runner.list({ status: 'failed' })).toMatchObject([{ id: ID }]);
      expect(app.book.started).toEqual([]);
    });
  });

  it.each(['silent', 'refuses'] as const)('P13: a shutdown ends if the store %s', async (mood) => {
    await start();
    app.runner.addTask(app.jobs.hold, 'running');
    await app.book.until('running');
    store.mood = mood;
    await expect(app.close()).resolves.toBeUndefined();
  });
});

it('a write that failed is made again before a newer one of the same task', async () => {
  const writes: { readonly group: Group; readonly end: Deferred }[] = [];
  const commits = new GroupCommit({
    append: (group) => {
      const end = new Deferred();
      writes.push({ group, end });
      return end.promise;
    },
    failed: () => undefined,
  });
  const [dead, again] = [record('dead', 1), record('again', 0)];
  commits.put(dead);
  await eventually(() => expect(writes).toHaveLength(1));
  const committed = new Promise((resolve) => commits.commit([again], resolve)); // retried by hand
  writes[0]?.end.reject(new Error('ENOSPC'));
  await eventually(() => expect(writes).toHaveLength(2));
  writes[1]?.end.resolve();
  expect(await committed).toBeUndefined();
  // Of two records of one order the last is kept.
  expect(writes[1]?.group.records.map((each) => each === again)).toEqual([false, true]);
});
