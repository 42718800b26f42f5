// The package as npm would publish it, unpacked outside the repository and used from ESM, from CommonJS and from
// TypeScript of both kinds. Beside it stand its peers and dependencies and nothing else: an import that package.json
// does not declare fails here as it would at a user's.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CONSUMERS = join(ROOT, 'test/package/consumers');
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

const REQUIRED_FILES = [
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'dist/index.js',
  'dist/index.d.ts',
  'lib/index.ts',
];
const TOP_LEVEL = new Set(['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'dist', 'lib']);

function run(command, args, cwd) {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 120_000 });
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}`.trim();
  assert.ok(
    result.status === 0,
    `${command} ${args.join(' ')} failed (${result.error ?? result.signal ?? result.status})\n${output}`,
  );
  return output;
}

function pack(home) {
  run('npm', ['pack', '--silent', '--pack-destination', home], ROOT);
  const tarball = readdirSync(home).find((name) => name.endsWith('.tgz'));
  assert.ok(tarball, 'npm pack left no tarball');
  const target = join(home, 'node_modules', manifest.name);
  mkdirSync(target, { recursive: true });
  run('tar', ['-xzf', join(home, tarball), '-C', target, '--strip-components', '1'], home);
  const kilobytes = (statSync(join(home, tarball)).size / 1024).toFixed(0);
  return { target, tarball: `${tarball}, ${kilobytes} kB` };
}

/** What a package manager would put beside the package, taken from the repository's own node_modules. */
function installPeers(home) {
  const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
  const needed = declared.filter((name) => !manifest.peerDependenciesMeta?.[name]?.optional);
  for (const name of [...needed, '@types/node']) linkPackage(home, name);
}

function linkPackage(home, name) {
  const link = join(home, 'node_modules', name);
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules', name), link, 'junction');
}

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
  const maps = all.filter((name) => name.endsWith('.map'));
  assert.ok(maps.length > 0, 'the package has no source maps');
  for (const map of maps) {
    for (const source of JSON.parse(readFileSync(map, 'utf8')).sources) {
      assert.ok(existsSync(resolve(dirname(map), source)), `${map} points at a missing ${source}`);
    }
  }
  return `${all.length} files, every source map finds its source`;
}

// Here, and not below the repository's own node_modules: a link there would hide what is not declared.
const home = realpathSync(mkdtempSync(join(tmpdir(), 'tarball-')));
try {
  const { target, tarball } = pack(home);
  console.log(`packed: ${tarball}`);
  console.log(`contents: ${checkContents(target)}`);

  installPeers(home);
  writeFileSync(join(home, 'package.json'), '{ "private": true }\n');
  for (const name of readdirSync(CONSUMERS)) copyFileSync(join(CONSUMERS, name), join(home, name));

  console.log(`ESM: ${run(process.execPath, ['consumer.mjs'], home)}`);
  console.log(`ESM: ${run(process.execPath, ['subpaths.mjs'], home)}`);
  console.log(`CommonJS: ${run(process.execPath, ['consumer.cjs'], home)}`);
  console.log(`threads: ${checkThreads(home)}`);
  console.log(`durable: ${checkDurable(home)}`);
  run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', home], home);
  console.log('types: checked from ESM and from CommonJS');
} catch (error) {
  console.error(error instanceof assert.AssertionError ? error.message : error);
  console.error('the packed tarball is not fit for use');
  process.exitCode = 1;
} finally {
  rmSync(home, { recursive: true, force: true });
}
