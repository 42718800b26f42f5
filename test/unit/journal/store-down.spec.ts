/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { GroupCommit } from '../../../lib/engine/journal/group-commit.js';
import type { Group } from '../../../lib/engine/journal/group.js';
import { JournalRecord } from '../../../lib/engine/journal/journal-record.js';
import { Application } from '../../conformance/support/application.js';
import { Deferred } from '../../support/deferred.js';
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

    it('fails with 503 where its handler has failed, and what is to run then cannot be stored', async () => {
      await start();
      store.mood = 'refuses';
      expect(await app.post('/ends/badly')).toBe(503);
      await app.runner.whenIdle();
      expect(app.book.started).toEqual([]);
    });
  });

  describe('outside a request', () => {
    it('rejects the call of a method, and drops what addTask() added', async () => {
      await start();
      store.mood = 'refuses';
      await expect(app.jobs.note('one')).rejects.toMatchObject({ code: 'BGT_STORE_UNAVAILABLE' });
      const handle = app.runner.addTask(app.jobs.note, 'two');
      expect(await handle.whenSettled()).toEqual({ status: 'dropped', reason: 'not-stored' });
    });
  });

  describe('a task', () => {
    it('P17: waits with its start until that can be written down, which is no failure', async () => {
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

    it('settles also while its record cannot be removed', async () => {
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

    it('is kept as it was where its retry cannot be stored', async () => {
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

  describe('a shutdown', () => {
    it('P13: ends while the store does not answer', async () => {
      await start();
      app.runner.addTask(app.jobs.hold, 'running');
      await app.book.until('running');
      store.mood = 'silent';
      await expect(app.close()).resolves.toBeUndefined();
    });
  });
});

const stored = (order: number): JournalRecord => {
  const call = { args: '[]', options: undefined, carried: undefined };
  return new JournalRecord(order, `r${order}`, 'note', 'mail', call, 0, `r${order}`, undefined);
};

/** A group that has come to the disk, and what the disk makes of it. */
interface Write {
  readonly group: Group;
  readonly end: Deferred;
}

/** A disk that takes its time: until the test says so. */
class SlowDisk {
  private readonly writes: Write[] = [];
  private waiting: ((write: Write) => void) | undefined;
  readonly commits = new GroupCommit({
    append: (group) => {
      const write = { group, end: new Deferred() };
      if (this.waiting === undefined) {
        this.writes.push(write);
      } else {
        this.waiting(write);
        this.waiting = undefined;
      }
      return write.end.promise;
    },
    failed: () => undefined,
  });

  /** Resolves to the next group once it has come. */
  next(): Promise<Write> {
    const write = this.writes.shift();
    return write === undefined
      ? new Promise((resolve) => {
          this.waiting = resolve;
        })
      : Promise.resolve(write);
  }

  commit(...records: JournalRecord[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.commits.commit(records, (error) => (error === undefined ? resolve() : reject(error)));
    });
  }
}

describe('what is written in groups', () => {
  let disk: SlowDisk;

  beforeEach(() => {
    disk = new SlowDisk();
  });

  it('is all written by the end of a flush that began while others wrote', async () => {
    const { commits } = disk;
    const committed = disk.commit(stored(1));
    const first = await disk.next();
    const flushed = commits.flush();
    commits.remove(2);
    first.end.resolve();
    await committed;
    const second = await disk.next();
    commits.remove(3);
    second.end.resolve();
    const third = await disk.next();
    third.end.resolve();
    await flushed;
    expect([second.group.removed, third.group.removed]).toEqual([[2], [3]]);
  });

  it('is not waited for by a flush where the disk does not take it', async () => {
    const { commits } = disk;
    commits.remove(1);
    const flushed = commits.flush();
    const first = await disk.next();
    first.end.reject(new Error('ENOSPC'));
    await expect(flushed).resolves.toBeUndefined();
  });

  it('comes before what is newer where it has to be written again', async () => {
    const { commits } = disk;
    const [dead, again] = [stored(7), stored(7)];
    commits.put(dead);
    const first = await disk.next();
    const committed = disk.commit(again); // retried by hand meanwhile
    first.end.reject(new Error('ENOSPC'));
    const second = await disk.next();
    second.end.resolve();
    await committed;
    // Of two records of one order the last is kept.
    expect(second.group.records.map((each) => each === again)).toEqual([false, true]);
  });
});
