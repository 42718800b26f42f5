// Mutation testing, a group after the other: `npm run test:mutation -- [room or file …]`. Changes the code in a copy, one
// small change at a time, and counts the changes that no test notices. Prints those, and the score of each file.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GROUPS } from './groups.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const REPORTS = '.cache/mutation';
// Two runs may be under way at once.
const TOGETHER = `test/mutation/group-${process.pid}.spec.ts`;
const GOAL = 85;
const DETECTED = new Set(['Killed', 'Timeout']);
const UNDETECTED = new Set(['Survived', 'NoCoverage']);

const wanted = process.argv.slice(2);
const groups = Object.entries(GROUPS).flatMap(([room, all]) =>
  all.map(({ mutate, ...rest }) => ({
    room,
    ...rest,
    files: mutate
      .map((name) => `lib/${room}/${name}.ts`)
      .filter((file) => wanted.length === 0 || wanted.includes(room) || wanted.includes(file)),
  })),
);

function stryker(env) {
  return new Promise((resolve, reject) => {
    const bin = join(ROOT, 'node_modules/@stryker-mutator/core/bin/stryker.js');
    const config = join(ROOT, 'test/mutation/stryker.config.mjs');
    spawn(process.execPath, [bin, 'run', config], {
      cwd: ROOT,
      stdio: 'inherit',
      env: { ...process.env, ...env },
    })
      .on('error', reject)
      .on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`stryker: ${code}`))));
  });
}

/** One file with all tests of a group in it: the library is loaded once for a mutant, not once for each file. */
function together(tests) {
  const imports = tests.map(
    (path) => `import '../${path.slice('test/'.length, -'.ts'.length)}.js';`,
  );
  writeFileSync(join(ROOT, TOGETHER), `${imports.join('\n')}\n`);
  return [TOGETHER];
}

/** @returns each file with its source and its mutants */
async function mutantsOf(mutate, tests, apart) {
  const report = `${REPORTS}/${process.pid}.json`;
  const specs = apart ? tests : together(tests);
  try {
    await stryker({ MUTATE: mutate.join(','), TESTS: specs.join(','), REPORT: report });
    return JSON.parse(readFileSync(join(ROOT, report), 'utf8')).files;
  } finally {
    rmSync(join(ROOT, TOGETHER), { force: true });
    rmSync(join(ROOT, report), { force: true });
  }
}

const keyOf = ({ location, mutatorName, replacement }) =>
  JSON.stringify([location, mutatorName, replacement]);

/** Tries what the quick tests have not noticed with slower ones. */
async function tryAgain(files, tests) {
  const ranges = Object.entries(files).flatMap(([file, { mutants }]) =>
    mutants
      .filter(({ status }) => UNDETECTED.has(status))
      .map(
        ({ location: { start, end } }) =>
          `${file}:${start.line}:${start.column - 1}-${end.line}:${end.column - 1}`,
      ),
  );
  if (ranges.length === 0) return;
  for (const [file, { mutants }] of Object.entries(await mutantsOf(ranges, tests))) {
    const again = new Map(mutants.map((mutant) => [keyOf(mutant), mutant.status]));
    for (const mutant of files[file].mutants) {
      if (UNDETECTED.has(mutant.status)) {
        mutant.status = again.get(keyOf(mutant)) ?? mutant.status;
      }
    }
  }
}

function survivorsOf(source, mutants) {
  const lines = source.split('\n');
  return mutants
    .filter(({ status }) => UNDETECTED.has(status))
    .map(({ location: { start }, mutatorName, replacement, status }) => {
      const change = `${lines[start.line - 1].trim()}  →  ${replacement?.replaceAll(/\s+/g, ' ')}`;
      return `  ${start.line}:${start.column} ${status} ${mutatorName}: ${change}`;
    });
}

function scoreOf(mutants) {
  const count = (statuses) => mutants.filter(({ status }) => statuses.has(status)).length;
  const detected = count(DETECTED);
  const all = detected + count(UNDETECTED);
  return { detected, all, percent: all === 0 ? 100 : (100 * detected) / all };
}

function row(name, { detected, all, percent }) {
  return `${name.padEnd(48)} ${String(detected).padStart(5)} of ${String(all).padStart(5)}  ${percent.toFixed(1).padStart(5)} %`;
}

mkdirSync(join(ROOT, REPORTS), { recursive: true });
const rooms = new Map();
const rows = [];
for (const { room, files, tests, apart, slower } of groups) {
  if (files.length === 0) continue;
  const began = Date.now();
  const found = await mutantsOf(files, tests, apart);
  if (slower !== undefined) await tryAgain(found, slower);
  for (const [file, { source, mutants }] of Object.entries(found)) {
    console.log([row(file, scoreOf(mutants)), ...survivorsOf(source, mutants)].join('\n'));
    rows.push(row(file, scoreOf(mutants)));
    rooms.set(room, [...(rooms.get(room) ?? []), ...mutants]);
  }
  console.log(`(${((Date.now() - began) / 1_000).toFixed(0)} s)`);
}

console.log(`\n${rows.join('\n')}\n`);
for (const [room, mutants] of rooms) {
  const score = scoreOf(mutants);
  console.log(row(room, score));
  if (score.percent < GOAL) process.exitCode = 1;
}
