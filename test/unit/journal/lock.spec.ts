import { link, mkdtemp, readdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { JournalStore } from '../../../lib/engine/journal/journal-store.js';
import { Application } from '../../conformance/support/application.js';
import { Deferred } from '../support/deferred.js';
import { close, crashImage, start, temporaryFolder } from './support/machine.js';
import { engineOn, FragileStore } from './support/stores.js';

const LONG = 'x'.repeat(120);
const temporary = process.env['TMPDIR'];

afterEach(() => {
  if (temporary === undefined) {
    delete process.env['TMPDIR'];
  } else {
    process.env['TMPDIR'] = temporary;
  }
});

/** A folder, and a journal in it that an application has. */
async function taken(name: string): Promise<{ folder: string; path: string; owner: Application }> {
  const folder = await temporaryFolder();
  const path = join(folder, name);
  return { folder, path, owner: await start(path) };
}

async function refusal(path: string): Promise<unknown> {
  const store = new JournalStore(path);
  return store.open().then(
    () => store.close(),
    (error: unknown) => error,
  );
}

const IN_USE = {
  code: 'BGT_JOURNAL',
  message: expect.stringContaining('is in use by another process or application'),
};

describe('D13: a second owner is refused, however the path is spelt', () => {
  it('with a path that is longer than that of a socket may be, and another TMPDIR', async () => {
    const { path } = await taken(LONG);
    process.env['TMPDIR'] = await mkdtemp(join(tmpdir(), 'other-'));
    expect(await refusal(path)).toMatchObject(IN_USE);
    await rm(process.env['TMPDIR'], { recursive: true });
  });

  it.each(['short', LONG])('through a link to the folder: %s', async (name) => {
    const { folder, path } = await taken(name);
    await symlink(path, join(folder, 'link'));
    expect(await refusal(join(folder, 'link'))).toMatchObject(IN_USE);
  });

  it('through a link to a folder above it', async () => {
    const { folder, path } = await taken('journal');
    const other = await temporaryFolder();
    await symlink(folder, join(other, 'link'));
    expect(await refusal(join(other, 'link', basename(path)))).toMatchObject(IN_USE);
  });

  it.each(['short', LONG])('relative to the working directory: %s', async (name) => {
    const { path } = await taken(name);
    expect(await refusal(relative(process.cwd(), path))).toMatchObject(IN_USE);
    expect(await refusal(`${path}/../${basename(path)}//`)).toMatchObject(IN_USE);
  });

  it('through a link to the file', async () => {
    const { path } = await taken('journal');
    const other = await temporaryFolder();
    await symlink(join(path, 'tasks.mdb'), join(other, 'tasks.mdb'));
    expect(await refusal(other)).toMatchObject(IN_USE);
  });

  it('through another name of the file', async () => {
    const { path } = await taken('journal');
    const other = await temporaryFolder();
    await link(join(path, 'tasks.mdb'), join(other, 'tasks.mdb'));
    expect(await refusal(other)).toMatchObject(IN_USE);
  });

  it('beside a file that is another one by now', async () => {
    const { path, owner } = await taken('journal');
    await rm(join(path, 'tasks.mdb'));
    expect(await refusal(path)).toMatchObject(IN_USE);
    await expect(owner.jobs.note('one')).rejects.toMatchObject({ code: 'BGT_STORE_UNAVAILABLE' });
  });

  it('and not where it is a copy of the file', async () => {
    const { path } = await taken('journal');
    expect(await refusal(await crashImage(path))).toBeUndefined();
  });
});

describe('D13, O24: a journal that is in use', () => {
  it('is waited for, and says so; its owner lets go of it at the end of its shutdown', async () => {
    const { path, owner } = await taken('journal');
    await owner.runner.pause();
    await owner.jobs.note('left');
    const second = new JournalStore(path);
    const warnings: unknown[] = [];
    const isWaiting = new Deferred();
    const warn = (message: unknown): void => {
      warnings.push(message);
      isWaiting.resolve();
    };
    const opened = second.open({ warn, error: warn }, 60_000);
    await isWaiting.promise;
    await close(owner);
    await opened;
    expect(warnings).toEqual([
      expect.stringMatching(/is in use by another process or application\. Waiting 60000 ms/),
    ]);
    expect(second.takeOver()).toMatchObject([{ args: '["left"]' }]);
    await second.close();
    expect(await readdir(path)).toHaveLength(2);
  });
});

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('D5: a request on %s, when what stands at the path', (_name, createAdapter) => {
  it.each<[string, (path: string) => Promise<unknown>, string]>([
    ['is gone with its folder', (path) => rm(path, { recursive: true }), 'is gone'],
    ['is gone', (path) => rm(join(path, 'tasks.mdb')), 'is gone'],
    ['was moved away', (path) => rename(path, `${path}-moved`), 'is gone'],
    [
      'is another folder',
      async (path) => {
        await rename(path, `${path}-moved`);
        expect(await refusal(path)).toBeUndefined();
      },
      'is gone|was replaced', // as it was when it was looked at
    ],
    [
      'is another file',
      async (path) => {
        await rm(join(path, 'tasks.mdb'));
        await writeFile(join(path, 'tasks.mdb'), '');
      },
      'is gone|was replaced', // as it was when it was looked at
    ],
    ['was cut off', (path) => truncate(join(path, 'tasks.mdb')), 'was cut off'],
  ])('%s: is answered with 503, and one line says why', async (_what, change, problem) => {
    const path = join(await temporaryFolder(), 'journal');
    const store = new FragileStore(path);
    const engine = engineOn(store, { path });
    const app = await Application.start({ engine, drainTimeout: 50 }, [], createAdapter());
    expect(await app.post('/three')).toBe(201);
    await app.runner.whenIdle();
    await change(path);
    expect(await app.post('/three')).toBe(503);
    await store.hasFailed; // also where nobody adds a task
    expect(await app.post('/three')).toBe(503);
    expect(app.log.errors.filter((line) => line.includes('could not be written'))).toEqual([
      expect.stringMatching(problem),
    ]);
    await app.close();
  });
});

describe('D5: a journal whose socket was removed', () => {
  it('is locked again', async () => {
    const { path, owner } = await taken('journal');
    const socket = (await readdir(path)).find((name) => name.endsWith('.sock')) ?? '';
    await rm(join(path, socket));
    await owner.jobs.note('one');
    expect(await refusal(path)).toMatchObject(IN_USE);
    expect(await readdir(path)).toContain(socket);
  });
});
