// Programs that some suites need, and the Debian packages that bring them.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** @returns where PostgreSQL's programs are, if anywhere; they are not on the path */
export function postgresFolder() {
  const debian = ['18', '17', '16', '15'].map((version) => `/usr/lib/postgresql/${version}/bin`);
  return debian.find((folder) => existsSync(join(folder, 'postgres')));
}

/** Name → the package that has it, and where it is, if anywhere. */
const PROGRAMS = {
  'redis-server': { debian: 'redis-server', find: () => onPath('redis-server') },
  postgres: { debian: 'postgresql', find: postgresFolder },
  chromium: { debian: 'chromium', find: () => (existsSync(CHROMIUM) ? CHROMIUM : undefined) },
};

function onPath(name) {
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined ? name : undefined;
}

/** @returns where it is, if anywhere */
export function findProgram(name) {
  return PROGRAMS[name].find();
}

/** @returns the names of those that are not here, and what to install */
export function missingPrograms() {
  const names = Object.keys(PROGRAMS).filter((name) => findProgram(name) === undefined);
  return { names, packages: names.map((name) => PROGRAMS[name].debian) };
}
