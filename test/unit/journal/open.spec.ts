import { readFile, truncate, writeFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { open } from 'lmdb';
import { journal } from '../../../lib/engine/journal/index.js';
import { Application } from '../../conformance/support/application.js';
import { close, crashImage, recordsIn, start, temporaryFolder } from './support/machine.js';

async function withTasks(count: number): Promise<string> {
  const path = await temporaryFolder();
  const app = await start(path);
  await app.runner.pause();
  await Promise.all(Array.from({ length: count }, (_, index) => app.jobs.note(`task ${index}`)));
  return crashImage(path);
}

function refusal(path: string): Promise<unknown> {
  return Application.start({ engine: journal({ path }) }).then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('a journal that cannot be used', () => {
  it('is one that another application has', async () => {
    const path = await temporaryFolder();
    const first = await start(path);
    expect(await refusal(path)).toMatchObject({
      code: 'BGT_JOURNAL',
      message: expect.stringMatching(/^The journal .* is in use by another process/),
    });
    await first.jobs.note('the first goes on');
    await first.runner.whenIdle();
    await close(first);
    await close(await start(path));
  });

  it('is had by one of two that ask at the same moment, after a crash', async () => {
    const path = await withTasks(1);
    const results = await Promise.allSettled([start(path), start(path), start(path)]);
    expect(results.map(({ status }) => status).toSorted()).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
    ]);
  });

  it.each([
    ['text', 'hello'],
    ['a lot of text', 'hello '.repeat(10_000)],
    ['zeros', Buffer.alloc(100_000)],
  ])('is one whose file holds %s', async (_what, content) => {
    const path = await withTasks(1);
    const file = join(path, 'tasks.mdb');
    await writeFile(file, content);
    expect(await refusal(path)).toMatchObject({
      code: 'BGT_JOURNAL',
      message: expect.stringContaining(`The journal ${file} is damaged`),
    });
    expect((await readFile(file)).toString()).toBe(content.toString());
  });

  it.each([8_192, 12_288, 65_536])('is one that was cut off after %d bytes', async (bytes) => {
    const path = await withTasks(500);
    const file = join(path, 'tasks.mdb');
    expect((await stat(file)).size).toBeGreaterThan(bytes);
    await truncate(file, bytes);
    expect(await refusal(path)).toMatchObject({
      code: 'BGT_JOURNAL',
      message: expect.stringContaining(`The journal ${file} is damaged`),
    });
  });

  it('is one of a newer format, and is left as it is', async () => {
    const path = await withTasks(3);
    const file = join(path, 'tasks.mdb');
    const root = open({ path: file, noSubdir: true });
    await root.openDB({ name: 'meta' }).put('format', 4);
    await root.close();
    expect(await refusal(path)).toMatchObject({
      code: 'BGT_JOURNAL',
      message: expect.stringContaining(
        'has format 4, and this version of the library knows 3 only',
      ),
    });
    const back = open({ path: file, noSubdir: true });
    await back.openDB({ name: 'meta' }).put('format', 3);
    await back.close();
    expect(await recordsIn(path)).toHaveLength(3);
  });

  it('is one whose folder cannot be made', async () => {
    const path = join(await temporaryFolder(), 'file');
    await writeFile(path, '');
    expect(await refusal(path)).toMatchObject({
      code: 'BGT_JOURNAL',
      message: expect.stringContaining('cannot be opened'),
    });
  });
});

describe('journal()', () => {
  it.each([
    [undefined, 'journal'],
    [{}, 'journal.path'],
    [{ path: '' }, 'journal.path'],
    [{ path: 'x', maxStarts: 0 }, 'journal.maxStarts'],
    [{ path: 'x', commitTimeout: 0 }, 'journal.commitTimeout'],
    [{ path: 'x', maxArgsBytes: -1 }, 'journal.maxArgsBytes'],
    [{ path: 'x', serializer: { serialize: () => '' } }, 'journal.serializer.deserialize'],
  ])('refuses %j at once', (options, path) => {
    expect(() => journal(options as never)).toThrow(
      expect.objectContaining({ code: 'BGT_INVALID_OPTION', path }),
    );
  });

  it('knows what was meant', () => {
    expect(() => journal({ path: 'x', maxStart: 1 } as never)).toThrow(
      'Unknown option "journal.maxStart". Did you mean "maxStarts"?',
    );
  });
});

describe('the journal', () => {
  it('flushes once for many who wait', async () => {
    const path = await temporaryFolder();
    const app = await start(path);
    await app.runner.pause();
    const before = await transactionsIn(path);
    await Promise.all(Array.from({ length: 200 }, (_, index) => app.jobs.note(`task ${index}`)));
    const image = await crashImage(path);
    expect(await recordsIn(image)).toHaveLength(200);
    // Those that come while a flush is under way share the next one.
    expect((await transactionsIn(image)) - before).toBeLessThan(20);
  });

  it("has all of a request's tasks or none", async () => {
    const path = await temporaryFolder();
    const app = await start(path);
    await app.runner.pause();
    expect(await app.post('/three')).toBe(201);
    const records = await recordsIn(await crashImage(path));
    expect(records).toHaveLength(3);
    expect(new Set(records.map(({ group }) => group)).size).toBe(1);
  });
});

/** How many transactions the file has seen. */
async function transactionsIn(path: string): Promise<number> {
  const root = open({ path: join(await crashImage(path), 'tasks.mdb'), noSubdir: true });
  const { lastTxnId } = root.getStats() as { lastTxnId: number };
  await root.close();
  return lastTxnId;
}
