// Programs that some suites need, and the Debian packages that bring them.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** @returns the folder of PostgreSQL's programs, if they are installed; they are not on the path */
export function postgresFolder() {
  const debian = ['18', '17', '16', '15'].map((version) => `/usr/lib/postgresql/${version}/bin`);
  return debian.find((folder) => existsSync(join(folder, 'postgres')));
}

/** By name: the Debian package of a program, and how to find the program. */
const PROGRAMS = {
  'redis-server': { debian: 'redis-server', find: () => onPath('redis-server') },
  postgres: { debian: 'postgresql', find: postgresFolder },
  chromium: { debian: 'chromium', find: () => (existsSync(CHROMIUM) ? CHROMIUM : undefined) },
};

function onPath(name) {
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined ? name : undefined;
}

/** @returns the path of the program, if it is installed */
export function findProgram(name) {
  return PROGRAMS[name].find();
}

/** @returns the names of the missing programs, and the packages to install */
export function missingPrograms() {
  const names = Object.keys(PROGRAMS).filter((name) => findProgram(name) === undefined);
  return { names, packages: names.map((name) => PROGRAMS[name].debian) };
}
