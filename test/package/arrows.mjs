// Does the lint keep the arrows between the rooms of lib/? For every room, one file for each import that it must not
// have is written to a copy outside the repository, and each must be refused; so must no import that it may have.
// The arrows stand here a second time on purpose: a slip in .oxlintrc.json shows as a difference between the two.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RULE = 'eslint(no-restricted-imports)';

/** Room → the rooms and optional packages it may import. `.` is the root of lib/. */
const ARROWS = {
  '.': 'options errors task intake request request/nest schedule engine engine/memory run observe',
  errors: '',
  task: 'errors',
  options: 'task errors engine',
  observe: 'task errors',
  intake: 'task errors options engine observe',
  request: 'request/nest intake task engine observe options errors',
  'request/nest': 'request intake task engine observe options errors',
  run: 'task engine errors options observe intake schedule',
  schedule: 'intake task engine errors',
  'run/threads': 'run task errors options piscina',
  engine: 'task',
  'engine/memory': 'engine task errors',
  'engine/journal': 'engine/memory engine task errors options lmdb',
  'engine/bullmq':
    'engine/bullmq/codec engine/bullmq/store engine/bullmq/commit ' +
    'engine/bullmq/consumer engine/bullmq/view engine/memory engine task errors options bullmq ioredis pg',
  'engine/bullmq/codec': 'task errors bullmq ioredis pg',
  'engine/bullmq/store': 'engine/bullmq/codec engine task errors bullmq ioredis pg',
  'engine/bullmq/commit':
    'engine/bullmq/codec engine/bullmq/store engine task errors bullmq ioredis pg',
  'engine/bullmq/consumer':
    'engine/bullmq/codec engine/bullmq/store engine/bullmq/view engine task errors bullmq ioredis pg',
  'engine/bullmq/view':
    'engine/bullmq/codec engine/bullmq/store engine task errors bullmq ioredis pg',
  testing: 'index task options run engine engine/memory @nestjs/testing',
  health: 'index duration checks @nestjs/terminus',
  metrics: 'index errors checks prom-client @opentelemetry/api',
  board: 'index errors checks @bull-board/api',
  schematics: '@angular-devkit/schematics typescript',
};

const SPECIAL_FILES = {
  index: 'index.js',
  duration: 'task/duration.js',
  checks: 'options/checks.js',
};

const OPTIONAL_PACKAGES = [
  'bullmq',
  'piscina',
  'lmdb',
  'prom-client',
  '@opentelemetry/api',
  '@bull-board/api',
  '@nestjs/terminus',
  '@nestjs/testing',
  '@angular-devkit/schematics',
  'typescript',
];

/** What nobody in lib/ may import. */
const OUTLAWS = [
  'nestjs-background-tasks',
  'express',
  'fastify',
  '@nestjs/platform-express',
  '@nestjs/platform-fastify',
  '@nestjs/common/internal',
  '@nestjs/core/router/router-explorer.js',
];

const rooms = Object.keys(ARROWS);

function allowed(room) {
  return new Set([...ARROWS[room].split(' '), room]);
}

/** Every import a file of the room could try: what it is called, how it is written, whether it may stand. */
function* attempts(room) {
  const may = allowed(room);
  for (const target of rooms) {
    // The root exports everything, so no room may import it but those that are built on `index` alone.
    const file = target === '.' ? 'background-tasks.module.js' : `${target}/thing.js`;
    yield { name: target, specifier: specifierFrom(room, file), legal: may.has(target) };
  }
  for (const [name, file] of Object.entries(SPECIAL_FILES)) {
    const legal = may.has(name) || may.has(posix.dirname(file));
    yield { name, specifier: specifierFrom(room, file), legal };
  }
  for (const name of OPTIONAL_PACKAGES) yield { name, specifier: name, legal: may.has(name) };
  for (const name of OUTLAWS) yield { name, specifier: name, legal: false };
  for (const file of ['test/thing.js', 'sample/thing.js']) {
    yield { name: file, specifier: specifierFrom(room, `../${file}`), legal: false };
  }
  for (const name of ['node:stream', 'node:timers/promises', '@nestjs/common']) {
    yield { name, specifier: name, legal: true };
  }
}

function specifierFrom(room, file) {
  const path = posix.relative(posix.join('lib', room), posix.join('lib', file));
  return path.startsWith('.') ? path : `./${path}`;
}

/** The ways to write one import. All of them must be seen. */
const FORMS = {
  value: (from) => `import { thing } from '${from}';\nexport const used = thing;\n`,
  type: (from) => `import type { Thing } from '${from}';\nexport type Used = Thing;\n`,
  reexport: (from) => `export { thing } from '${from}';\n`,
  dynamic: (from) => `export const used = () => import('${from}');\n`,
};

/** @returns the files of `lib/` there whose import is refused */
function lint(cwd) {
  const oxlint = join(ROOT, 'node_modules/oxlint/bin/oxlint');
  const run = spawnSync(process.execPath, [oxlint, '--format', 'json', 'lib'], {
    cwd,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
  });
  if (run.error) throw run.error;
  const { diagnostics } = JSON.parse(run.stdout);
  const refused = diagnostics.filter(({ code }) => code === RULE);
  return new Set(refused.map(({ filename }) => join(cwd, filename)));
}

function write(file, text) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** A folder below lib/ that is no room yet has no arrows: the table is out of date. */
function undeclaredRooms() {
  const lib = join(ROOT, 'lib');
  if (!existsSync(lib)) return [];
  return readdirSync(lib, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(lib, entry.parentPath).split(sep).join('/') || '.')
    .filter((room) => !rooms.includes(room));
}

const tree = mkdtempSync(join(tmpdir(), 'arrows-'));
const faults = new Set(undeclaredRooms().map((room) => `lib/${room} has no arrows in arrows.mjs`));
let broken = 0;
let sound = 0;
try {
  for (const folder of ['sound', 'broken']) {
    cpSync(join(ROOT, '.oxlintrc.json'), join(tree, folder, '.oxlintrc.json'));
  }

  let number = 0;
  const illegal = new Map();
  const legal = new Map();
  for (const room of [...rooms, 'a-new-room']) {
    const tries = rooms.includes(room)
      ? attempts(room)
      : [{ name: 'task', specifier: '../task/thing.js', legal: false }];
    for (const attempt of tries) {
      for (const [form, text] of Object.entries(FORMS)) {
        const folder = attempt.legal ? 'sound' : 'broken';
        const file = join(tree, folder, 'lib', room, `try-${(number += 1)}.ts`);
        write(file, text(attempt.specifier));
        const what = `${form} import of ${attempt.name} in lib/${room}`;
        (attempt.legal ? legal : illegal).set(file, what);
      }
    }
  }
  const refused = { broken: lint(join(tree, 'broken')), sound: lint(join(tree, 'sound')) };
  for (const [file, what] of illegal)
    if (!refused.broken.has(file)) faults.add(`not refused: ${what}`);
  for (const [file, what] of legal) if (refused.sound.has(file)) faults.add(`refused: ${what}`);
  broken = illegal.size;
  sound = legal.size;
} finally {
  rmSync(tree, { recursive: true, force: true });
}

if (faults.size > 0) {
  console.error([...faults].join('\n'));
  console.error(`${faults.size} arrows are not kept`);
  process.exitCode = 1;
} else {
  console.log(
    `${rooms.length} rooms: ${broken} broken arrows refused, ${sound} sound ones let through`,
  );
}
