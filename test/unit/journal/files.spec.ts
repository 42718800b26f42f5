import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { JournalStore } from '../../../lib/engine/journal/journal-store.js';
import { close, start, temporaryFolder } from './support/machine.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

async function refusal(path: string): Promise<unknown> {
  const store = new JournalStore(path);
  return store.open().then(
    () => store.close(),
    (error: unknown) => error,
  );
}

/** Opens a journal in a process of its own, which may write where others may. */
async function openElsewhere(path: string): Promise<{ code: unknown; output: string }> {
  const child = spawn(
    process.execPath,
    ['--import', '@oxc-node/core/register', 'test/unit/journal/support/open-journal.ts', path],
    { cwd: ROOT, ...(isRoot && { uid: NOBODY, gid: NOBODY }) },
  );
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code, signal] = await once(child, 'close');
  return { code: code ?? signal, output };
}

describe('D4: what LMDB would end the process for is a JournalError that names the file', () => {
  it.each(['tasks.mdb', 'tasks.mdb-lock'])('a folder in the place of %s', async (name) => {
    const path = await temporaryFolder();
    await mkdir(join(path, name));
    expect(await refusal(path)).toMatchObject({
      code: 'BGT_JOURNAL',
      message: `The journal ${join(path, name)} cannot be opened: it is not a file.`,
    });
  });

  it.each(['tasks.mdb', 'tasks.mdb-lock'])('a pipe in the place of %s', async (name) => {
    const path = await temporaryFolder();
    execFileSync('mkfifo', [join(path, name)]);
    expect(await refusal(path)).toMatchObject({
      code: 'BGT_JOURNAL',
      message: `The journal ${join(path, name)} cannot be opened: it is not a file.`,
    });
  });

  it.each(['tasks.mdb', 'tasks.mdb-lock'])('a device behind %s', async (name) => {
    const path = await temporaryFolder();
    await symlink('/dev/null', join(path, name));
    expect(await refusal(path)).toMatchObject({
      code: 'BGT_JOURNAL',
      message: `The journal ${join(path, name)} cannot be opened: it is not a file.`,
    });
  });

  it.each(['tasks.mdb', 'tasks.mdb-lock'])('%s as a link that leads nowhere', async (name) => {
    const path = await temporaryFolder();
    await symlink('/nowhere/at/all', join(path, name));
    expect(await refusal(path)).toMatchObject({
      code: 'BGT_JOURNAL',
      message: expect.stringContaining(`The journal ${join(path, name)} cannot be opened`),
    });
  });

  it.each(['tasks.mdb', 'tasks.mdb-lock'])('%s that may not be written', async (name) => {
    const path = await temporaryFolder();
    await chmod(path, 0o777);
    expect(await openElsewhere(path)).toEqual({ code: 0, output: 'opened' });
    await chmod(join(path, name), 0o444);
    const { code, output } = await openElsewhere(path);
    expect(code).toBe(1);
    expect(output).toContain(`BGT_JOURNAL The journal ${join(path, name)} cannot be opened`);
    expect(output).toContain('EACCES');
  });

  it.each([
    ['a journal', true],
    ['nothing', false],
  ])('a folder with %s that may not be written', async (_what, isUsed) => {
    const path = await temporaryFolder();
    await chmod(path, 0o777);
    if (isUsed) {
      await openElsewhere(path);
    }
    await chmod(path, 0o555);
    const { code, output } = await openElsewhere(path);
    expect(code).toBe(1);
    expect(output).toContain(`BGT_JOURNAL The journal ${path} cannot be opened`);
    await chmod(path, 0o777);
  });

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

  it('is so after the next start where it was readable by all', async () => {
    const path = await temporaryFolder();
    await close(await start(path));
    await chmod(join(path, 'tasks.mdb'), 0o644);
    await chmod(join(path, 'tasks.mdb-lock'), 0o644);
    await close(await start(path));
    expect((await stat(join(path, 'tasks.mdb'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(path, 'tasks.mdb-lock'))).mode & 0o777).toBe(0o600);
  });
});

describe('D5: a file of 0 bytes beside its lock', () => {
  it('is warned of at the start', async () => {
    const path = await temporaryFolder();
    await close(await start(path));
    await writeFile(join(path, 'tasks.mdb'), '');
    const app = await start(path);
    expect(app.log.warnings).toEqual([
      expect.stringMatching(
        /The journal .*tasks\.mdb is empty, and its lock file says that it was in use/,
      ),
    ]);
  });

  it('is no matter where neither was there', async () => {
    const path = await temporaryFolder();
    await close(await start(path));
    await rm(path, { recursive: true });
    await mkdir(path);
    const app = await start(path);
    expect(app.log.warnings).toEqual([]);
  });
});
