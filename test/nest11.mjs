// The same suite under the other supported major: a copy of the repository with the newest Nest 11 in place of Nest 12.
// `npm run test:nest11 -- --install-only` stops before the tests; other arguments go to jest.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LEFT_BEHIND = new Set(['node_modules', '.git', 'dist', 'dist-sample', 'coverage', '.cache']);

/** Runs the command with its output shown; its exit code when it fails ends this process too. */
function run(command, args, cwd) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) throw new CommandFailed(command, args, status ?? 1);
}

class CommandFailed extends Error {
  constructor(command, args, exitCode) {
    super(`${command} ${args.join(' ')} failed with exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}

function manifestIn(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

/** Nest's own packages share one major; its integrations count their own: these belong to Nest 11. */
const INTEGRATIONS = {
  '@nestjs/apollo': '^13.0.0',
  '@nestjs/event-emitter': '^3.0.0',
  '@nestjs/graphql': '^13.0.0',
  '@nestjs/schedule': '^6.0.0',
};

/** Of no use to the tests, and its Nest 11 version wants an older BullMQ. */
const LEFT_OUT = ['@nestjs/bullmq', '@nestjs/cli'];

/** What is asked for in place of each of Nest's packages. */
function nestEleven({ devDependencies }) {
  const names = Object.keys(devDependencies).filter((name) => name.startsWith('@nestjs/'));
  return Object.fromEntries(
    names
      .filter((name) => !LEFT_OUT.includes(name))
      .map((name) => [name, INTEGRATIONS[name] ?? '^11.0.0']),
  );
}

const jestArguments = process.argv.slice(2);
const installOnly = jestArguments.includes('--install-only');
const home = realpathSync(mkdtempSync(join(tmpdir(), 'nest11-')));
try {
  chmodSync(home, 0o755); // tests that run as another user read the code
  cpSync(ROOT, home, { recursive: true, filter: (path) => !LEFT_BEHIND.has(basename(path)) });

  const manifest = manifestIn(home);
  const wanted = nestEleven(manifest);
  for (const name of LEFT_OUT) delete manifest.devDependencies[name];
  Object.assign(manifest.devDependencies, wanted);
  writeFileSync(join(home, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  // The lock file stays: everything but Nest and what it brings along is what `npm ci` installs.
  run('npm', ['install', '--no-audit', '--no-fund'], home);

  for (const [name, range] of Object.entries(wanted)) {
    const { version } = manifestIn(join(home, 'node_modules', name));
    if (version.split('.')[0] !== range.slice(1).split('.')[0]) {
      throw new Error(`${name} is ${version}, not ${range}`);
    }
    console.log(`${name} ${version}`);
  }

  if (!installOnly) {
    run('npx', ['tsc', '-p', 'tsconfig.build.json', '--noEmit'], home);
    run('npm', ['test', '--', ...jestArguments], home);
  }
} catch (error) {
  console.error(error instanceof CommandFailed ? error.message : error);
  process.exitCode = error instanceof CommandFailed ? error.exitCode : 1;
} finally {
  rmSync(home, { recursive: true, force: true });
}
