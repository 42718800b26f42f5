import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { open } from 'lmdb';
import { decodeRecord, encodeRecord } from '../../../lib/engine/journal/record-line.js';
import { JournalRecord } from '../../../lib/engine/journal/journal-record.js';
import { close, crashImage, recordsIn, start, temporaryFolder } from './support/machine.js';

const NOW = 1_700_000_000_000;
const HOUR = 3_600_000;

function record(changes: Partial<JournalRecord> = {}): JournalRecord {
  const call = { args: '["a"]', options: undefined, carried: undefined };
  const made = new JournalRecord(7, 'an-id', 'Jobs.note', 'default', call, NOW, 'an-id', undefined);
  return Object.assign(made, { dueAt: NOW }, changes);
}

/** A journal that a former process has left, with these lines among its records. */
async function journalWith(...lines: string[]): Promise<string> {
  const path = await temporaryFolder();
  const before = await start(path);
  await before.runner.pause();
  await before.jobs.note('readable');
  const image = await crashImage(path);
  const root = open({ path: join(image, 'tasks.mdb'), noSubdir: true });
  const tasks = root.openDB<string, number>({ name: 'tasks', encoding: 'string' });
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

  it('is due when it was where the clock is right', () => {
    const line = encodeRecord(record({ waitMs: HOUR, dueAt: NOW + HOUR }));
    expect(decodeRecord(line, NOW + 1_000)).toMatchObject({ dueAt: NOW + HOUR, addedAt: NOW });
  });
});

const GOOD = JSON.parse(encodeRecord(record())) as unknown[];
const forged = (index: number, value: unknown): string => JSON.stringify(GOOD.with(index, value));

describe('O21: a record that cannot be read', () => {
  it.each<[string, string, string]>([
    ['that is no JSON', '[1,7,', 'JSON'],
    ['that is null', 'null', 'it is no record'],
    ['that is no list', '{"length":50000000}', 'it is no record'],
    ['with an id that is null', forged(7, null), 'its id is null'],
    ['with a name that is no text', forged(8, { a: 1 }), 'its name is an object'],
    ['with a queue that is missing', JSON.stringify(GOOD.slice(0, 9)), 'its queue is undefined'],
    ['with a time that is none', forged(2, 'soon'), 'its addedAt is soon'],
    ['with an order that is none', forged(1, -1), 'its order is -1'],
    ['with a group that is none', forged(11, 5), 'its group is 5'],
  ])('%s is kept, shown, named, and never called', async (_what, line, problem) => {
    const image = await journalWith(line);
    const after = await start(image);
    await after.runner.whenIdle();
    expect(after.book.started).toEqual(['readable']);
    const said = expect.stringMatching(
      new RegExp(
        `The journal .*tasks.mdb holds a task \\(record-1\\) that cannot be read: .*${problem}`,
      ),
    );
    expect(after.log.errors).toEqual([said]);
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
    expect(again.log.errors).toEqual([said]);
    expect(await again.runner.forget('record-1')).toBe(true);
    expect(await again.runner.list({ status: 'failed' })).toEqual([]);
    await close(again);
    expect(await recordsIn(image)).toEqual([]);
  });

  it.each(['{"length":50000000}', '"text"', 'null', '{'])(
    'with arguments that are no array (%s): is kept, named, and never called',
    async (args) => {
      const image = await journalWith(forged(10, args));
      const after = await start(image);
      await after.runner.whenIdle();
      expect(after.book.started).toEqual(['readable']);
      expect(after.log.errors).toEqual([
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
    const after = await start(image);
    await after.runner.whenIdle();
    expect(after.log.errors).toEqual([
      expect.stringContaining('a later version of the library wrote it (2, this one knows 1)'),
    ]);
    await close(after);
    const root = open({ path: join(image, 'tasks.mdb'), noSubdir: true });
    const tasks = root.openDB<string, number>({ name: 'tasks', encoding: 'string' });
    expect([...tasks.getRange()].map(({ value }) => value)).toEqual([forged(0, 2)]);
    await root.close();
  });

  it('is read: what this version has written, and later ones must read', async () => {
    const path = await temporaryFolder();
    const fixture = fileURLToPath(new URL('fixtures/format-3/tasks.mdb', import.meta.url));
    await mkdir(path, { recursive: true });
    await cp(fixture, join(path, 'tasks.mdb'));
    const app = await start(path);
    await app.runner.whenIdle();
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
    expect(app.log.errors).toEqual([]);
  });
});
