// `nest add nestjs-background-tasks` in applications as `nest new` makes them, with the packed tarball in the place of what
// npm would install: the root module gets the import, once, and the application builds, starts and runs a task.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, linkNeeded, linkPackage, pack, run, unpack } from './packed.mjs';

const SCHEMATICS = join(ROOT, 'node_modules/@angular-devkit/schematics-cli/bin/schematics.js');
const NEST = join(ROOT, 'node_modules/@nestjs/cli/bin/nest.js');
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');

const IMPORT = "import { BackgroundTasksModule } from 'nestjs-background-tasks';";
const HOOKS = /^ *app\.enableShutdownHooks\(\['SIGTERM', 'SIGINT'\]\);\n/m;
const CALL = 'BackgroundTasksModule.forRoot()';

const START = `
  const { NestFactory } = await import('@nestjs/core');
  const { TaskRunner } = await import('nestjs-background-tasks');
  const { AppModule } = await import('./dist/app.module.js');
  const app = await NestFactory.createApplicationContext(AppModule, { logger: false });
  const outcome = await app.get(TaskRunner).addTask(() => undefined).whenSettled();
  await app.close();
  console.log(outcome.status);
`;

/** What `nest new` makes. */
function fresh(home, type) {
  const name = `fresh-${type}`;
  const options = [`--name=${name}`, `--type=${type}`, '--language=ts', '--observe=false'];
  run(process.execPath, [SCHEMATICS, '@nestjs/schematics:application', ...options], home);
  return join(home, name);
}

function add(app, ...options) {
  const command = ['add', 'nestjs-background-tasks', '--skip-install', ...options];
  return run(process.execPath, [NEST, ...command], app);
}

function sourcesOf(app) {
  const names = readdirSync(join(app, 'src')).filter((name) => name.endsWith('.ts'));
  return new Map(names.map((name) => [name, readFileSync(join(app, 'src', name), 'utf8')]));
}

/** The root module has the import and main.ts has the hooks; nothing else has changed. */
function checkSources(before, after) {
  for (const [name, text] of after) {
    const without = text.replace(`${IMPORT}\n`, '').replace(CALL, '').replace(HOOKS, '');
    assert.equal(without, before.get(name), `${name} was changed`);
  }
  assert.match(after.get('main.ts'), HOOKS);
  const root = after.get('app.module.ts');
  assert.equal(root.split(IMPORT).length, 2, root);
  assert.ok(root.includes(`imports: [${CALL}]`), root);
}

function check(home, tarball, type) {
  const app = fresh(home, type);
  mkdirSync(join(app, 'node_modules'), { recursive: true });
  linkNeeded(app);
  for (const name of ['@nestjs/platform-express', '@types/node', 'typescript']) {
    linkPackage(app, name);
  }
  unpack(tarball, app);

  const before = sourcesOf(app);
  assert.match(add(app), /UPDATE\S* src\/app\.module\.ts/);
  const after = sourcesOf(app);
  checkSources(before, after);

  assert.match(add(app), /imported already, in \/src\/app\.module\.ts: nothing to do/);
  assert.deepEqual(sourcesOf(app), after, 'the second time something changed');

  run(process.execPath, [TSC, '-p', 'tsconfig.build.json', '--types', 'node'], app);
  const outcome = run(process.execPath, ['--input-type=module', '--eval', START], app);
  assert.equal(outcome.split('\n').at(-1), 'completed');
}

const home = realpathSync(mkdtempSync(join(tmpdir(), 'nest-add-')));
try {
  const { path } = pack(home);
  // Where the command that makes an application looks for its templates.
  linkPackage(home, '@nestjs/schematics');
  for (const type of ['esm', 'cjs']) {
    check(home, path, type);
    console.log(`nest add, ${type}: imported once, built, a task completed`);
  }
} catch (error) {
  console.error(error instanceof assert.AssertionError ? error.message : error);
  console.error('nest add does not do what it should');
  process.exitCode = 1;
} finally {
  if (!process.argv.includes('--keep')) rmSync(home, { recursive: true, force: true });
}
