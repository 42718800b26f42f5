import { readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { crc32 } from 'node:zlib';
import type { Group } from '../../../lib/engine/journal/group.js';
import { journal } from '../../../lib/engine/journal/index.js';
import { JournalStore } from '../../../lib/engine/journal/journal-store.js';
import { FORMAT, PAGE_BYTES } from '../../../lib/engine/journal/segment-format.js';
import { Application } from '../../conformance/support/application.js';
import {
  close,
  crashImage,
  journalFiles,
  recordsIn,
  start,
  temporaryFolder,
} from './support/machine.js';
import { engineOn } from './support/stores.js';

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
    ['nothing', ''],
  ])('is one whose file holds %s', async (_what, content) => {
    const path = await withTasks(1);
    const file = await fileOf(path);
    await writeFile(file, content);
    expect(await refusal(path)).toMatchObject(damageOf(file));
    expect((await readFile(file)).toString()).toBe(content.toString());
  });

  it.each([60, 8_192, 65_536])('is one that was cut off after %d bytes', async (bytes) => {
    const path = await withTasks(500);
    const file = await fileOf(path);
    await truncate(file, bytes);
    expect(await refusal(path)).toMatchObject(damageOf(file, 'it has lost its end'));
    expect((await stat(file)).size).toBe(bytes);
  });

  it('is one of which a page was overwritten, before others', async () => {
    const path = await temporaryFolder();
    const app = await start(path);
    await app.runner.pause();
    for (const tag of ['one', 'two', 'three']) {
      await app.jobs.note(tag);
    }
    const image = await crashImage(path);
    const file = await fileOf(image);
    const content = await readFile(file);
    content.fill(0, 2 * PAGE_BYTES, 3 * PAGE_BYTES);
    await writeFile(file, content);
    expect(await refusal(image)).toMatchObject(
      damageOf(file, `what stood at byte ${2 * PAGE_BYTES} was overwritten`),
    );
  });

  it('is one of whose files one is missing', async () => {
    const path = await temporaryFolder();
    for (const tag of ['one', 'two', 'three']) {
      const app = await start(path);
      await app.runner.pause();
      await app.jobs.note(tag);
      await close(app);
    }
    const [, second, third] = await journalFiles(path);
    await rm(join(path, second));
    expect(await refusal(path)).toMatchObject(
      damageOf(join(path, third), 'a file of the journal is missing before it'),
    );
  });

  it('is one of a newer format, and is left as it is', async () => {
    const path = await withTasks(3);
    const file = await fileOf(path);
    await setFormat(file, FORMAT + 1);
    expect(await refusal(path)).toMatchObject({
      code: 'BGT_JOURNAL',
      message: expect.stringContaining(
        `${file} has format ${FORMAT + 1}, and this version of the library knows ${FORMAT} only`,
      ),
    });
    await setFormat(file, FORMAT);
    expect(await recordsIn(path)).toHaveLength(3);
  });

  it('is one of the first format, which was another store', async () => {
    const path = await temporaryFolder();
    await writeFile(join(path, 'tasks.mdb'), 'records');
    expect(await refusal(path)).toMatchObject({
      message: expect.stringContaining(
        `has format 1, and this version of the library knows 2 only`,
      ),
    });
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
    [{}, 'journal.path'],
    [{ path: '' }, 'path'],
    [{ path: 'x', maxStarts: 0 }, 'maxStarts'],
    [{ path: 'x', commitTimeout: 0 }, 'commitTimeout'],
    [{ path: 'x', maxArgsBytes: -1 }, 'maxArgsBytes'],
    [{ path: 'x', serializer: { serialize: () => '' } }, 'serializer.deserialize'],
  ])('refuses %j at once', (options, path) => {
    expect(() => journal(options as never)).toThrow(
      expect.objectContaining({ code: 'BGT_INVALID_OPTION', path }),
    );
  });

  it('knows what was meant', () => {
    expect(() => journal({ path: 'x', maxStart: 1 } as never)).toThrow(
      'Unknown option "maxStart". Did you mean "maxStarts"?',
    );
  });
});

describe('the journal', () => {
  it('makes its folder, however deep', async () => {
    const path = join(await temporaryFolder(), 'var', 'deep', 'tasks');
    const app = await start(path);
    await app.jobs.note('one');
    await app.runner.whenIdle();
    await close(app);
    expect(await recordsIn(path)).toEqual([]);
  });

  it('works where the path is longer than a socket may have', async () => {
    const path = join(await temporaryFolder(), 'x'.repeat(120));
    const app = await start(path);
    expect(await refusal(path)).toMatchObject({ code: 'BGT_JOURNAL' });
    await close(app);
    await close(await start(path));
  });

  it('flushes once for many who wait', async () => {
    const path = await temporaryFolder();
    const store = new CountingStore(path);
    const app = await Application.start({ engine: engineOn(store, { path }) });
    await app.runner.pause();
    const before = store.groups;
    await Promise.all(Array.from({ length: 200 }, (_, index) => app.jobs.note(`task ${index}`)));
    expect(await recordsIn(await crashImage(path))).toHaveLength(200);
    // Those that come while a flush is under way share the next one.
    expect(store.groups - before).toBeLessThanOrEqual(2);
    await app.close();
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

class CountingStore extends JournalStore {
  groups = 0;

  override append(group: Group): Promise<void> {
    this.groups += 1;
    return super.append(group);
  }
}

/** The file that has the tasks. */
async function fileOf(path: string): Promise<string> {
  const [file] = await journalFiles(path);
  return join(path, file);
}

function damageOf(file: string, what = ''): object {
  return {
    code: 'BGT_JOURNAL',
    message: expect.stringContaining(`The journal ${file} is damaged: ${what}`),
  };
}

async function setFormat(file: string, format: number): Promise<void> {
  const content = await readFile(file);
  content.writeUInt32LE(format, 32);
  content.writeUInt32LE(crc32(content.subarray(0, 56)), 56);
  await writeFile(file, content);
}
