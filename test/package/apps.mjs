// The packed tarball as a user gets it: installed by npm into empty applications outside the repository, imported by
// `nest add`, compiled, started, asked for something, and told to end. Needs a package registry: `npm run test:apps`.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text as textOf } from 'node:stream/consumers';
import { ROOT, pack } from './packed.mjs';

/**
 * Between them both majors, both platforms, both kinds of modules. ES modules on Express: tarball.mjs. The repository has
 * the command line of Nest 12, which is most of what there is to install.
 */
const APPS = [
  { name: 'esm-12-fastify', nest: 12, type: 'module', platform: 'fastify' },
  { name: 'commonjs-11-express', nest: 11, type: 'commonjs', platform: 'express' },
];
const PATIENCE_MS = 120_000;

const TSCONFIG = {
  compilerOptions: {
    target: 'ES2023',
    module: 'nodenext',
    outDir: 'dist',
    rootDir: 'src',
    strict: true,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
    skipLibCheck: true,
    types: ['node'],
  },
  include: ['src'],
};

async function install(app, tarball, { nest, type, platform }) {
  cpSync(join(ROOT, 'test/package/app'), app, { recursive: true });
  const adapter = `${platform[0].toUpperCase()}${platform.slice(1)}Adapter`;
  const source = `export { ${adapter} as Adapter } from '@nestjs/platform-${platform}';\n`;
  writeFileSync(join(app, 'src/adapter.ts'), source);
  writeFileSync(join(app, 'package.json'), JSON.stringify({ private: true, type }));
  writeFileSync(join(app, 'tsconfig.json'), JSON.stringify(TSCONFIG));
  const cli = nest === 12 ? [] : ['cli', 'schematics'];
  const packages = ['common', 'core', `platform-${platform}`, ...cli];
  const wanted = packages.map((name) => `@nestjs/${name}@^${nest}.0.0`);
  const others = ['reflect-metadata@^0.2', 'rxjs@^7', 'typescript@~6.0', '@types/node@20'];
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  await runBeside('npm', ['install', ...quiet, tarball, ...wanted, ...others], app);
}

/** What the process prints, line by line, each to be waited for. */
class Output {
  #lines = [];
  #look = () => undefined;

  constructor(child) {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.#lines.push(line);
        this.#look();
      });
    }
  }

  includes(text) {
    return this.#lines.some((line) => line.includes(text));
  }

  find(pattern) {
    return new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`no ${pattern} in\n${this.text}`)),
        PATIENCE_MS,
      );
      this.#look = () => {
        const found = this.#lines.map((line) => pattern.exec(line)).find((match) => match);
        if (found) {
          clearTimeout(late);
          resolve(found);
        }
      };
      this.#look();
    });
  }

  get text() {
    return this.#lines.join('\n');
  }
}

async function use(app) {
  const child = spawn(process.execPath, ['dist/main.js'], {
    cwd: app,
    env: { ...process.env, NODE_ENV: 'production' },
  });
  try {
    const exit = once(child, 'exit');
    const output = new Output(child);
    const [, port] = await output.find(/^port (\d+)$/);
    const post = async (note) => {
      const response = await fetch(`http://127.0.0.1:${port}/notes/${note}`, { method: 'POST' });
      return response.json();
    };
    assert.deepEqual(await post('first'), { accepted: 'first' });
    await output.find(/^noted first$/);

    assert.deepEqual(await post('last'), { accepted: 'last' });
    await output.find(/^began last$/);
    child.kill('SIGTERM');
    await exit;
    assert.ok(
      output.includes('noted last'),
      `the shutdown did not wait for the task\n${output.text}`,
    );
  } finally {
    child.kill('SIGKILL');
  }
}

/** Like `run`, while others run: most of an installation is waiting for the registry. @returns what it printed */
async function runBeside(command, args, cwd) {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = Promise.all([textOf(child.stdout), textOf(child.stderr)]);
  const [code] = await once(child, 'close');
  const printed = (await output).join('');
  assert.equal(code, 0, `${command} ${args.join(' ')} failed\n${printed}`);
  return printed;
}

async function check(app, tarball, each) {
  await install(app, tarball, each);
  const cli = join(each.nest === 12 ? ROOT : app, 'node_modules/@nestjs/cli');
  const versions = [join(app, 'node_modules/@nestjs/core'), cli].map((folder) => {
    const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    return `${name} ${version}`;
  });
  const add = [join(cli, 'bin/nest.js'), 'add', 'nestjs-background-tasks', '--skip-install'];
  const added = await runBeside(process.execPath, add, app);
  assert.match(added, /UPDATE\S* src\/app\.module\.ts/);
  assert.match(await runBeside(process.execPath, add, app), /imported already, .*nothing to do/);
  await runBeside('npx', ['tsc'], app);
  await use(app);
  console.log(`${each.name} (${versions.join(', ')}): installed, added, answered, ran its tasks`);
}

const home = realpathSync(mkdtempSync(join(tmpdir(), 'apps-')));
try {
  const { path } = pack(home);
  await Promise.all(APPS.map((each) => check(join(home, each.name), path, each)));
} catch (error) {
  console.error(error instanceof assert.AssertionError ? error.message : error);
  console.error('the package does not work in a new application');
  process.exitCode = 1;
} finally {
  rmSync(home, { recursive: true, force: true });
}
