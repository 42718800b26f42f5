import { execFileSync, spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  link,
  mkdir,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { open } from 'lmdb';
import { journal } from '../../../lib/engine/journal/index.js';
import { prepareFolder } from '../../../lib/engine/journal/journal-file.js';
import { JournalStore } from '../../../lib/engine/journal/journal-store.js';
import { Application } from '../../conformance/support/application.js';
import { Deferred } from '../../support/deferred.js';
import {
  close,
  crashImage,
  crashedWaiting,
  recordsIn,
  start,
  temporaryFolder,
} from './support/machine.js';
import { FragileStore, engineOn } from './support/stores.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const FILES = ['tasks.mdb', 'tasks.mdb-lock'];

async function refusal(path: string): Promise<unknown> {
  const store = new JournalStore(path);
  return store.open().then(
    () => store.close(),
    (error: unknown) => error,
  );
}

const AS_ANYBODY: SpawnOptions = isRoot ? { uid: NOBODY, gid: NOBODY } : {};

/** Opens a journal in a process of its own, which by default may write where others may. */
async function openElsewhere(
  path: string,
  how = AS_ANYBODY,
): Promise<{ code: unknown; output: string }> {
  const program = '.cache/compiled/test/support/open-journal.js';
  const child = spawn(process.execPath, [program, path], { ...how, cwd: ROOT, stdio: 'pipe' });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code, signal] = await once(child, 'close');
  return { code: code ?? signal, output };
}

describe('D4: a JournalError names the file that LMDB would end the process for', () => {
  const IN_PLACE: Record<string, (file: string) => unknown> = {
    'a folder': (file) => mkdir(file),
    'a pipe': (file) => execFileSync('mkfifo', [file]),
    'a device': (file) => symlink('/dev/null', file),
    'a link that leads nowhere': (file) => symlink('/nowhere/at/all', file),
  };

  it.each(Object.keys(IN_PLACE).flatMap((what) => FILES.map((name) => [what, name])))(
    '%s in the place of %s',
    async (what, name) => {
      const path = await temporaryFolder();
      await IN_PLACE[what]?.(join(path, name));
      expect(await refusal(path)).toMatchObject({
        code: 'BGT_JOURNAL',
        message: expect.stringContaining(`The journal ${join(path, name)} cannot be opened: `),
      });
    },
  );

  it.each([
    ['link', 'link'],
    ['link', 'link/journal'],
    ['tasks.mdb', ''],
  ])('a link that leads nowhere: %s, on the way to the folder "%s"', async (name, folder) => {
    const path = await temporaryFolder();
    await symlink('/nowhere/at/all', join(path, name));
    expect(await refusal(join(path, folder))).toMatchObject({
      code: 'BGT_JOURNAL',
      message: expect.stringContaining(`${join(path, name)} is a link to /nowhere/at/all, which`),
    });
  });

  it.each([
    ['the folder of a journal', true, '', 0o555],
    ['an empty folder', false, '', 0o555],
    ...FILES.map((name) => [name, true, name, 0o444] as const),
  ])('%s that may not be written', async (_what, isUsed, name, mode) => {
    const path = await temporaryFolder();
    await chmod(path, 0o777);
    const first = isUsed ? await openElsewhere(path) : undefined;
    expect(first?.output ?? 'opened').toBe('opened');
    await chmod(join(path, name), mode);
    const { code, output } = await openElsewhere(path);
    expect(code).toBe(1);
    expect(output).toContain(`BGT_JOURNAL The journal ${join(path, name)} cannot be opened`);
    expect(output).toContain(mode === 0o444 ? 'EACCES' : 'cannot be opened');
    await chmod(path, 0o777);
  });

  it.each(['/proc/journal', '/proc/a/b', '/proc/self', '/sys/a/b', '/dev/full', '/dev/full/a'])(
    'a folder that cannot be made: %s',
    async (path) => {
      const message = expect.stringMatching(`^The journal ${path}.* cannot be opened: `) as unknown;
      expect(await refusal(path)).toMatchObject({ code: 'BGT_JOURNAL', message });
    },
  );

  it.each([4, 20, 40])('a disk of %d kB', async (kilobytes) => {
    if (!isRoot || process.platform !== 'linux') {
      return; // only root can have a disk that small
    }
    const path = await temporaryFolder();
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k,mode=777`, 'tmpfs', path]);
    const { output } = await openElsewhere(path);
    execFileSync('umount', [path]);
    expect(output).toMatch(/^(opened$|BGT_JOURNAL The journal .* cannot be opened: )/);
  });
});

describe('O8: the journal', () => {
  it.each([0, 0o022, 0o777])('is for its owner only, with umask %o', async (umask) => {
    const path = join(await temporaryFolder(), 'journal');
    const before = process.umask(umask);
    const app = await start(path).finally(() => process.umask(before));
    await app.jobs.note('token');
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    const names = await readdir(path);
    expect(names).toHaveLength(3);
    for (const name of names) {
      expect((await stat(join(path, name))).mode & 0o777).toBe(0o600);
    }
    await close(app);
  });

  it('is for its owner only after the next start, if it was readable by all', async () => {
    const path = await temporaryFolder();
    await close(await start(path));
    const files = FILES.map((name) => join(path, name));
    await Promise.all(files.map((file) => chmod(file, 0o644)));
    await close(await start(path));
    for (const file of files) {
      expect((await stat(file)).mode & 0o777).toBe(0o600);
    }
  });
});

it('D5: a file of 0 bytes beside its lock causes a warning at the start', async () => {
  const path = await temporaryFolder();
  await close(await start(path));
  await writeFile(join(path, 'tasks.mdb'), '');
  const { log } = await start(path);
  expect(log.of('warn')).toEqual([
    expect.stringMatching(/The journal .*tasks\.mdb is empty, although its lock file shows that/),
  ]);
});

const withTasks = (count: number): Promise<string> =>
  crashedWaiting(({ jobs }) =>
    Promise.all(Array.from({ length: count }, (_, index) => jobs.note(`task ${index}`))),
  );

describe('a journal that cannot be used', () => {
  it('goes to one of three applications that start at the same moment after a crash', async () => {
    const path = await withTasks(1);
    const results = await Promise.allSettled([start(path), start(path), start(path)]);
    expect(results.map(({ status }) => status).toSorted()).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
    ]);
  });

  it.each<[string, (file: string) => Promise<void>]>([
    ['holds text', (file) => writeFile(file, 'hello '.repeat(10_000))],
    ['holds zeros', (file) => writeFile(file, Buffer.alloc(100_000))],
    ['was cut off early', (file) => truncate(file, 8_192)],
    ['was cut off late', (file) => truncate(file, 65_536)],
  ])('is refused and left alone if its file %s', async (_what, damage) => {
    const path = await withTasks(500);
    const file = join(path, 'tasks.mdb');
    await damage(file);
    const damaged = await readFile(file);
    await expect(start(path)).rejects.toMatchObject({
      code: 'BGT_JOURNAL',
      message: expect.stringContaining(`The journal ${file} is damaged`),
    });
    const left = (await readFile(file)).subarray(0, damaged.length);
    expect(left.equals(damaged)).toBe(true);
  });

  it('is refused and left alone if it has a newer format', async () => {
    const path = await withTasks(3);
    const file = join(path, 'tasks.mdb');
    const setFormat = async (format: number): Promise<void> => {
      const root = open({ path: file, noSubdir: true });
      await root.openDB({ name: 'meta' }).put('format', format);
      await root.close();
    };
    await setFormat(4);
    await expect(start(path)).rejects.toMatchObject({
      code: 'BGT_JOURNAL',
      message: expect.stringContaining(
        'has format 4, and this version of the library knows 3 only',
      ),
    });
    await setFormat(3);
    expect(await recordsIn(path)).toHaveLength(3);
  });
});

it.each([
  [undefined, 'journal'],
  [{}, 'journal.path'],
  [{ path: '' }, 'journal.path'],
  [{ path: 'x', maxStarts: 0 }, 'journal.maxStarts'],
  [{ path: 'x', commitTimeout: 0 }, 'journal.commitTimeout'],
  [{ path: 'x', maxArgsBytes: -1 }, 'journal.maxArgsBytes'],
  [{ path: 'x', serializer: { serialize: () => '' } }, 'journal.serializer.deserialize'],
])('journal() refuses %j at once', (options, path) => {
  expect(() => journal(options as never)).toThrow(
    expect.objectContaining({ code: 'BGT_INVALID_OPTION', path }),
  );
});

const LONG = 'x'.repeat(120);

/** A folder, and a journal in it that an application has. */
async function taken(name: string): Promise<{ folder: string; path: string; owner: Application }> {
  const folder = await temporaryFolder();
  const path = join(folder, name);
  return { folder, path, owner: await start(path) };
}

const IN_USE = {
  code: 'BGT_JOURNAL',
  message: expect.stringContaining('is in use by another process or application'),
};

describe('D13: a second owner is refused, however the path is spelt', () => {
  it('with a path that is too long for a socket, in a process with another TMPDIR', async () => {
    const { path } = await taken(LONG);
    const env = { ...process.env, NODE_OPTIONS: '', TMPDIR: await temporaryFolder() };
    expect((await openElsewhere(path, { env })).output).toContain('is in use by another');
    expect(await refusal(path)).toMatchObject(IN_USE);
  });

  /** Another way to the journal in `folder` whose path this is. */
  const WAYS: Record<string, (path: string, folder: string) => Promise<string> | string> = {
    'through a link to the folder': async (path, folder) => {
      await symlink(path, join(folder, 'link'));
      return join(folder, 'link');
    },
    'through a link to a folder above it': async (path, folder) => {
      const other = await temporaryFolder();
      await symlink(folder, join(other, 'link'));
      return join(other, 'link', basename(path));
    },
    'relative to the working directory': (path) => relative(process.cwd(), path),
    'with dots and slashes': (path) => `${path}/../${basename(path)}//`,
    'through a link to the file': async (path) => {
      const other = await temporaryFolder();
      await symlink(join(path, 'tasks.mdb'), join(other, 'tasks.mdb'));
      return other;
    },
    'through another name of the file': async (path) => {
      const other = await temporaryFolder();
      await link(join(path, 'tasks.mdb'), join(other, 'tasks.mdb'));
      return other;
    },
  };

  it.each(Object.keys(WAYS))('%s, with a short name and a long one', async (way) => {
    for (const name of ['short', LONG]) {
      const { folder, path } = await taken(name);
      expect(await refusal((await WAYS[way]?.(path, folder)) ?? '')).toMatchObject(IN_USE);
    }
  });

  it('with a path whose file was removed', async () => {
    const { path, owner } = await taken('journal');
    await rm(join(path, 'tasks.mdb'));
    expect(await refusal(path)).toMatchObject(IN_USE);
    await expect(owner.jobs.note('one')).rejects.toMatchObject({ code: 'BGT_STORE_UNAVAILABLE' });
  });

  it('but not with a copy of the file', async () => {
    const { path } = await taken('journal');
    expect(await refusal(await crashImage(path))).toBeUndefined();
  });
});

describe('O14: a journal of an application that has not finished its start', () => {
  it('goes to the next application if a hook of another module failed', async () => {
    const path = join(await temporaryFolder(), 'journal');
    class Broken {
      onApplicationBootstrap(): never {
        throw new Error('no database');
      }
    }
    await expect(Application.start({ engine: journal({ path }) }, [Broken])).rejects.toThrow(
      'no database',
    );
    const second = await start(path);
    await second.jobs.note('one');
    await close(second);
  });

  it('goes to the next application, and the first start fails if it goes on', async () => {
    const path = await temporaryFolder();
    const [first, second] = [new JournalStore(path), new JournalStore(path)];
    await first.open();
    await second.open();
    expect(() => first.started()).toThrow(
      expect.objectContaining({
        code: 'BGT_JOURNAL',
        message: expect.stringContaining('was given to another application'),
      }),
    );
    await first.close();
    second.started();
    expect(second.takeOver()).toEqual([]);
    await second.close();
  });
});

it('O14: the folder is made once if two first starts make it at the same moment', async () => {
  const path = join(await temporaryFolder(), 'journal');
  const made = await Promise.all([prepareFolder(path), prepareFolder(path)]);
  expect(made).toEqual([join(path, 'tasks.mdb'), join(path, 'tasks.mdb')]);
});

it('D13, O24: a journal that is in use is waited for, with a warning, until its owner has shut down', async () => {
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
])(
  'D5: a request is answered with 503, and one line says why, when what stands at the path %s',
  async (_what, change, problem) => {
    const path = join(await temporaryFolder(), 'journal');
    const store = new FragileStore(path);
    const engine = engineOn(store, { path });
    const app = await Application.start({ engine, drainTimeout: 50 });
    expect(await app.post('/three')).toBe(201);
    await app.runner.whenIdle();
    await change(path);
    expect(await app.post('/three')).toBe(503);
    await store.hasFailed; // also where nobody adds a task
    expect(await app.post('/three')).toBe(503);
    expect(app.log.of('error').filter((line) => line.includes('could not be written'))).toEqual([
      expect.stringMatching(problem),
    ]);
    await app.close();
  },
);

it('D5: a journal whose socket was removed is locked again', async () => {
  const { path, owner } = await taken('journal');
  const socket = (await readdir(path)).find((name) => name.endsWith('.sock')) ?? '';
  await rm(join(path, socket));
  await owner.jobs.note('one');
  expect(await refusal(path)).toMatchObject(IN_USE);
  expect(await readdir(path)).toContain(socket);
});
