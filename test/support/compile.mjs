// Compiles, before the tests, the code of the processes that tests start. If each process compiled
// it, that would be a third of its work.
import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { transformFile } from '@swc/core';
import jestConfig from '../../jest.config.js';
import { ROOT } from '../package/packed.mjs';

const FOLDERS = ['lib', 'test/e2e', 'test/chaos', 'test/support'];
const OUTPUT = join(ROOT, '.cache/compiled');
const [, options] = jestConfig.transform['^.+\\.ts$'];

export default async function compile() {
  await write(join(OUTPUT, 'package.json'), JSON.stringify(await manifest()));
  const all = await Promise.all(
    FOLDERS.map(async (folder) => {
      const names = await readdir(join(ROOT, folder), { recursive: true });
      return names.map((name) => join(folder, name));
    }),
  );
  const sources = all.flat().filter((path) => /\.m?ts$/.test(path));
  await Promise.all(
    sources.map(async (path) => {
      const source = join(ROOT, path);
      const target = join(OUTPUT, path.replace(/ts$/, 'js'));
      if ((await changed(source)) > (await changed(target))) {
        await write(target, (await transformFile(source, options)).code);
      }
    }),
  );
}

/** The package's own name resolves to the compiled files beside it. */
async function manifest() {
  const { name, type, exports } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const ours = Object.entries(exports).filter(([path]) => path !== './package.json');
  const compiled = ours.map(([path, to]) => [path, to.default.replace('./dist/', './lib/')]);
  return { name, type, exports: Object.fromEntries(compiled) };
}

async function write(path, text) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

/** When a file was written, in milliseconds since 1970; 0 if it does not exist. */
async function changed(path) {
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: 0 }));
  return mtimeMs;
}
