import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { open } from 'lmdb';
import { Background, type BackgroundTasksOptions, type TaskInfo } from 'nestjs-background-tasks';
import { journal } from '../../../lib/engine/journal/index.js';
import { JournalRecord } from '../../../lib/engine/journal/journal-record.js';
import { decodeRecord, encodeRecord } from '../../../lib/engine/journal/record-line.js';
import type { Application } from '../../conformance/support/application.js';
import {
  close,
  crashImage,
  crashedWaiting,
  noting,
  recordsIn,
  runThrough,
  start,
  temporaryFolder,
} from './support/machine.js';

@Injectable()
class Keyed {
  static refused = '';

  @Background({ dedupe: { key: (tag: string) => Keyed.keyOf(tag) } })
  async work(tag: string): Promise<void> {
    throw new Error(tag);
  }

  static keyOf(tag: string): string {
    if (tag === Keyed.refused) {
      throw new TypeError(`no key for ${tag}`);
    }
    return tag;
  }
}

const NOW = 1_700_000_000_000;
const HOUR = 3_600_000;

function record(changes: Partial<JournalRecord> = {}): JournalRecord {
  const call = { args: '["a"]', options: undefined, carried: undefined };
  const made = new JournalRecord(7, 'an-id', 'Jobs.note', 'default', call, NOW, 'an-id', undefined);
  return Object.assign(made, { dueAt: NOW }, changes);
}

/** The records in a journal that nobody uses. */
function opened(path: string) {
  const root = open({ path: join(path, 'tasks.mdb'), noSubdir: true });
  const tasks = root.openDB<string, number>({ name: 'tasks', encoding: 'string' });
  const letters = root.openDB<string, [number, string]>({ name: 'failed', encoding: 'string' });
  return { root, tasks, letters };
}

/** A journal that a former process has left, with these lines among its records. */
async function journalWith(...lines: string[]): Promise<string> {
  const image = await crashedWaiting(({ jobs }) => jobs.note('readable'));
  const { root, tasks } = opened(image);
  lines.forEach((line, index) => tasks.putSync(index + 1, line));
  await root.close();
  return image;
}

describe('D6: a record that is read while the clock is an hour back', () => {
  it.each([
    ['without a delay is due at once', 0, 0],
    ['is due after its delay, and no later', 60_000, 60_000],
    ['never is due later than it was', 10 * HOUR, 10 * HOUR],
  ])('%s', (_what, waitMs, expectedMs) => {
    const line = encodeRecord(record({ waitMs, dueAt: NOW + waitMs }));
    const read = decodeRecord(line, NOW - HOUR);
    expect(read.dueAt - (NOW - HOUR)).toBe(expectedMs);
    expect(read.addedAt).toBe(NOW - HOUR);
  });

  it('is due at its old time if the clock is right', () => {
    const line = encodeRecord(record({ waitMs: HOUR, dueAt: NOW + HOUR }));
    expect(decodeRecord(line, NOW + 1_000)).toMatchObject({ dueAt: NOW + HOUR, addedAt: NOW });
  });
});

const GOOD = JSON.parse(encodeRecord(record())) as unknown[];
const forged = (index: number, value: unknown): string => JSON.stringify(GOOD.with(index, value));

describe('O21: a record that cannot be read', () => {
  it.each<[string, string, string]>([
    ['that is no JSON', '[1,7,', 'JSON'],
    ['that is no list', '{"length":50000000}', 'it is not a record'],
    ['with an id that is null', forged(7, null), 'its id is null'],
    ['with a queue that is missing', JSON.stringify(GOOD.slice(0, 9)), 'its queue is undefined'],
    ['with a time that is none', forged(2, 'soon'), 'its addedAt is soon'],
    ['with a group that is none', forged(11, 5), 'its group is 5'],
  ])('%s is kept, shown, named, and never called', async (_what, line, problem) => {
    const image = await journalWith(line);
    const after = await runThrough(image);
    expect(after.book.started).toEqual(['readable']);
    const said = expect.stringMatching(
      new RegExp(
        `The journal .*tasks.mdb holds a task \\(record-1\\) that cannot be read: .*${problem}`,
      ),
    );
    expect(after.log.of('error')).toEqual([said]);
    expect(await after.runner.list({ status: 'failed' })).toMatchObject([
      {
        id: 'record-1',
        name: '(unreadable)',
        outcome: { error: { code: 'BGT_JOURNAL', message: said } },
      },
    ]);
    await expect(after.runner.retry('record-1')).rejects.toThrow(problem);
    await close(after);

    const again = await start(image);
    expect(again.log.of('error')).toEqual([said]);
    expect(await again.runner.forget('record-1')).toBe(true);
    expect(await again.runner.list({ status: 'failed' })).toEqual([]);
    await close(again);
    expect(await recordsIn(image)).toEqual([]);
  });

  it.each(['{"length":50000000}', '"text"', 'null', '{'])(
    'with arguments that are no array (%s): is kept, named, and never called',
    async (args) => {
      const image = await journalWith(forged(10, args));
      const after = await runThrough(image);
      expect(after.book.started).toEqual(['readable']);
      expect(after.log.of('error')).toEqual([
        expect.stringContaining('"Jobs.note" (an-id) that cannot be'),
      ]);
      await close(after);
      expect(await recordsIn(image)).toHaveLength(1);
    },
  );
});

describe('D25: a journal of another version', () => {
  it('keeps a record of a later one as it is, and names it', async () => {
    const image = await journalWith(forged(0, 2));
    const after = await runThrough(image);
    expect(after.log.of('error')).toEqual([
      expect.stringContaining('a later version of the library wrote it (2, this one knows 1)'),
    ]);
    await close(after);
    const { root, tasks } = opened(image);
    expect([...tasks.getRange()].map(({ value }) => value)).toEqual([forged(0, 2)]);
    await root.close();
  });

  it('is read: a fixture of this version, which later versions must read, too', async () => {
    const path = await temporaryFolder();
    const fixture = fileURLToPath(new URL('fixtures/format-3/tasks.mdb', import.meta.url));
    await mkdir(path, { recursive: true });
    await cp(fixture, join(path, 'tasks.mdb'));
    const app = await runThrough(path);
    expect(app.book.started.toSorted()).toEqual(['chained 1', 'chained 2', 'waiting']);
    expect(await app.runner.list({ status: 'failed' })).toMatchObject([
      {
        id: '00000000-0000-4000-8000-000000000004',
        name: 'Jobs.secretive',
        args: ['failed'],
        attempts: 1,
        outcome: { error: { name: 'TypeError', code: 'E_NO_ANSWER' } },
      },
    ]);
    expect(app.log.of('error')).toEqual([]);
  });
});

/** Of a tag: what else a letter has is little beside it. */
const LENGTH = 20_000;

async function haveFailed(app: Application, ...tags: string[]): Promise<void> {
  for (const tag of tags) {
    await app.runner.addTask(app.jobs.hopeless, tag.padEnd(LENGTH)).whenSettled();
  }
}

/** A journal that was closed with these failed tasks in it. */
async function withFailed(...tags: string[]): Promise<string> {
  const path = await temporaryFolder();
  const app = await start(path);
  await haveFailed(app, ...tags);
  await close(app);
  return path;
}

async function failedIn(app: Application): Promise<unknown[]> {
  return (await app.runner.list({ status: 'failed' })).map(tagOf);
}

function tagOf({ args }: TaskInfo): string {
  return (args[0] as string).trim();
}

describe('D23: failed tasks in a journal', () => {
  it('are kept in a queue that is named like a member of every object', async () => {
    const queue = 'constructor';
    const path = await temporaryFolder();
    const queues = Object.fromEntries([[queue, {}]]);
    const before = await start(path, { options: { queues } });
    await haveFailed(before, 'a');
    await before.runner.addTask({ queue }, before.jobs.hopeless, 'b').whenSettled();
    await haveFailed(before, 'c');
    expect(await before.runner.counts(queue)).toMatchObject({ failed: 1 });
    await close(before);
    const after = await start(path, { options: { queues } });
    expect(await failedIn(after)).toEqual(['c', 'b', 'a']);
    expect(await after.runner.counts()).toMatchObject({ failed: 3 });
  });

  it.each<[string, BackgroundTasksOptions['keep'], string[]]>([
    ['count', { count: 2 }, ['d', 'c']],
    ['bytes', { bytes: 2.5 * LENGTH }, ['d', 'c']],
  ])('are bounded by %s, also over restarts', async (_what, keep, left) => {
    const path = await temporaryFolder();
    const before = await start(path, { options: { drainTimeout: 50, keep } });
    await haveFailed(before, 'a', 'b', 'c');
    await close(before);
    const after = await start(path, { options: { drainTimeout: 50, keep } });
    await haveFailed(after, 'd');
    await close(after);
    const last = await start(path);
    expect(await failedIn(last)).toEqual(left);
    expect(await last.runner.counts()).toMatchObject({ failed: left.length });
  });

  it('run again although one among them cannot be made again', async () => {
    const path = await temporaryFolder();
    const before = await start(path, { providers: [Keyed] });
    for (const tag of ['a', 'bad', 'b']) {
      await before.runner.addTask(before.get(Keyed).work, tag).whenSettled();
    }
    await close(before);
    Keyed.refused = 'bad';
    const after = await start(path, { providers: [Keyed] });
    await after.runner.pause();
    await expect(after.runner.retryAll({}, { rate: 500 })).rejects.toThrow(
      /^Could not queue 1 of 3 failed tasks again; .*: TypeError: no key for bad/,
    );
    expect(await failedIn(after)).toEqual(['bad']);
  });

  it('are bounded by age', async () => {
    const path = await temporaryFolder();
    const options = { drainTimeout: 50, keep: { age: 100 } };
    const app = await start(path, { options });
    await haveFailed(app, 'old');
    while ((await failedIn(app)).length > 0) {
      await pause(20);
    }
    await close(app);
    const last = await start(path, { options });
    expect(await failedIn(last)).toEqual([]);
  });

  it('D6: are retried although the clock has been set back since', async () => {
    const path = await withFailed('a');
    const { root, letters } = opened(path);
    const [{ key, value: text }] = letters.getRange();
    const [at, id] = key;
    const later = at + 3_600_000;
    letters.removeSync([at, id]);
    letters.putSync([later, id], text.replace(String(at), String(later)));
    root.openDB<number, string>({ name: 'failed-times' }).putSync(id, later);
    await root.close();
    const after = await start(path);
    await after.runner.pause();
    expect(await after.runner.retryAll()).toBe(1);
  });

  it('are kept and not retried if nobody knows their name any more', async () => {
    const path = await withFailed('a');
    const { root, letters } = opened(path);
    for (const { key, value } of letters.getRange()) {
      letters.putSync(key, value.replace('Jobs.hopeless', 'Jobs.gone'));
    }
    await root.close();
    const after = await start(path);
    const [letter] = await after.runner.list({ status: 'failed' });
    expect(letter).toMatchObject({ name: 'Jobs.gone' });
    expect(await after.runner.retry(letter?.id ?? '')).toBeUndefined();
    expect(await after.runner.retryAll()).toBe(0);
    expect(await failedIn(after)).toEqual(['a']);
  });
});

/** The queue `audit` is in the journal; the others are in memory. */
const withAuditIn = (path: string): BackgroundTasksOptions => ({
  engine: undefined,
  queues: { audit: { engine: journal({ path }) } },
});

it('a stored task whose method has moved to a queue in memory runs in the queue that it was added to', async () => {
  const InAudit = noting({ name: 'work', queue: 'audit' });
  const InMemory = noting({ name: 'work' });
  const path = await temporaryFolder();
  const before = await start(path, { options: withAuditIn(path), providers: [InAudit] });
  await before.runner.pause();
  await before.get(InAudit).work('left');
  const image = await crashImage(path);
  const after = await start(image, { options: withAuditIn(image), providers: [InMemory] });
  await after.runner.pause('default');
  await after.runner.whenIdle();
  expect(after.get(InMemory).done).toEqual(['left']);
  expect((await after.runner.stats()).queues['audit']).toMatchObject({ completed: 1 });
  await close(after);
  expect(await recordsIn(image)).toEqual([]);
});
