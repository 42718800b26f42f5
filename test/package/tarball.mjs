// The package as npm would publish it, unpacked outside the repository and used from ESM, from CommonJS and from
// TypeScript of both kinds. Beside it stand its peers and dependencies and nothing else: an import that package.json
// does not declare fails here as it would at a user's.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, linkNeeded, linkPackage, pack, run, unpack } from './packed.mjs';

const CONSUMERS = join(ROOT, 'test/package/consumers');

/** Bounds that a change must not pass unnoticed: what is downloaded, and what every start of an application pays. */
const MAX_TARBALL_KB = 500;
const MAX_IMPORTED = { modules: 160, kilobytes: 450 };

const REQUIRED_FILES = [
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'dist/index.js',
  'dist/index.d.ts',
  'lib/schematics/collection.json',
  // Messages point at these.
  'docs/capturing.md',
  'docs/errors.md',
];
const TOP_LEVEL = new Set([
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'dist',
  'docs',
  'lib',
]);

/** An optional peer that is missed says so in one line; installed, it serves both kinds of consumer. */
function checkThreads(home) {
  const without = spawnSync(process.execPath, ['threads.mjs'], { cwd: home, encoding: 'utf8' });
  assert.ok(without.status !== 0, 'threads ran without piscina');
  const lines = without.stderr.split('\n').filter((line) => line.includes('npm install piscina'));
  assert.equal(lines.length, 1, `expected one line about piscina:\n${without.stderr}`);
  linkPackage(home, 'piscina');
  const esm = run(process.execPath, ['threads.mjs'], home);
  const cjs = run(process.execPath, ['threads.cjs'], home);
  return `told in one line without piscina; with it, ESM: ${esm}; CommonJS: ${cjs}`;
}

/** The durable engines with their peers, whose servers are not there. */
function checkDurable(home) {
  for (const name of ['lmdb', 'bullmq', 'ioredis', 'pg']) linkPackage(home, name);
  const esm = run(process.execPath, ['durable.mjs'], home);
  const cjs = run(process.execPath, ['durable.cjs'], home);
  return `ESM: ${esm}; CommonJS: ${cjs}`;
}

/** The test kit in the tests of a small application, in TypeScript, by the runner of Node.js. */
function checkKit(home) {
  const app = join(home, 'kit');
  cpSync(join(ROOT, 'test/package/kit'), app, { recursive: true });
  writeFileSync(join(app, 'package.json'), '{ "private": true, "type": "module" }\n');
  const compilerOptions = { experimentalDecorators: true, emitDecoratorMetadata: true };
  writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
  for (const name of ['testing', 'platform-express']) linkPackage(home, `@nestjs/${name}`);
  for (const name of ['@oxc-node/core', 'supertest']) linkPackage(home, name);
  const args = ['--import', '@oxc-node/core/register', '--test', 'signup.test.ts'];
  const passed = /pass (\d+)/.exec(run(process.execPath, args, app))?.[1];
  assert.equal(passed, '4', 'not all tests of the application ran');
  return `${passed} tests of an application passed`;
}

function files(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function checkContents(target) {
  for (const name of REQUIRED_FILES) {
    assert.ok(existsSync(join(target, name)), `the package lacks ${name}`);
  }
  for (const name of readdirSync(target)) {
    assert.ok(TOP_LEVEL.has(name), `the package must not hold ${name}`);
  }
  const all = files(target);
  for (const name of all) {
    assert.ok(!/(?<!\.d)\.ts$|\.map$/.test(name), `the package must not hold ${name}`);
  }
  return `${all.length} files`;
}

/** What the main entry loads beyond Nest itself: unlike a time, the same on every machine. */
function checkImport(home) {
  const { modules, bytes } = JSON.parse(run(process.execPath, ['import-weight.mjs'], home));
  const found = `${modules} modules, ${(bytes / 1024).toFixed(0)} kB`;
  const most = `${MAX_IMPORTED.modules} modules, ${MAX_IMPORTED.kilobytes} kB`;
  assert.ok(
    modules <= MAX_IMPORTED.modules && bytes / 1024 <= MAX_IMPORTED.kilobytes,
    `the main entry loads ${found}; at most: ${most}`,
  );
  return `${found} beyond Nest; at most ${most}`;
}

function checkSize(bytes) {
  const kilobytes = bytes / 1024;
  assert.ok(
    kilobytes <= MAX_TARBALL_KB,
    `the tarball has ${kilobytes} kB, more than ${MAX_TARBALL_KB}`,
  );
  return `${kilobytes.toFixed(0)} kB of at most ${MAX_TARBALL_KB}`;
}

// Here, and not below the repository's own node_modules: a link there would hide what is not declared.
const home = realpathSync(mkdtempSync(join(tmpdir(), 'tarball-')));
try {
  const { name, path, bytes } = pack(home);
  console.log(`packed: ${name}, ${checkSize(bytes)}`);
  console.log(`contents: ${checkContents(unpack(path, home))}`);

  linkNeeded(home);
  linkPackage(home, '@types/node');
  writeFileSync(join(home, 'package.json'), '{ "private": true }\n');
  for (const file of readdirSync(CONSUMERS)) copyFileSync(join(CONSUMERS, file), join(home, file));

  console.log(`import: ${checkImport(home)}`);
  console.log(`ESM: ${run(process.execPath, ['consumer.mjs'], home)}`);
  console.log(`ESM: ${run(process.execPath, ['subpaths.mjs'], home)}`);
  console.log(`CommonJS: ${run(process.execPath, ['consumer.cjs'], home)}`);
  console.log(`threads: ${checkThreads(home)}`);
  console.log(`durable: ${checkDurable(home)}`);
  console.log(`kit: ${checkKit(home)}`);
  const tsc = [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', home];
  run(process.execPath, tsc, home);
  // Where no `lib` is given, as in an application that `nest new` makes, the browser's types are there, too.
  run(process.execPath, [...tsc, '--lib', 'ES2023,DOM'], home);
  console.log('types: checked from ESM and from CommonJS, with and without those of the browser');
} catch (error) {
  console.error(error instanceof assert.AssertionError ? error.message : error);
  console.error('the packed tarball is not fit for use');
  process.exitCode = 1;
} finally {
  rmSync(home, { recursive: true, force: true });
}
