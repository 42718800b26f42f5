// The package as npm would publish it, in a folder outside the repository.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** @returns what the command printed */
export function run(command, args, cwd) {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 600_000 });
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}`.trim();
  assert.ok(
    result.status === 0,
    `${command} ${args.join(' ')} failed (${result.error ?? result.signal ?? result.status})\n${output}`,
  );
  return output;
}

/** @returns the path of the tarball, and how many bytes it has */
export function pack(home) {
  run('npm', ['pack', '--silent', '--pack-destination', home], ROOT);
  const name = readdirSync(home).find((each) => each.endsWith('.tgz'));
  assert.ok(name, 'npm pack left no tarball');
  const path = join(home, name);
  return { name, path, bytes: statSync(path).size };
}

/** Unpacks a tarball where an application in `app` finds it. @returns where that is */
export function unpack(path, app) {
  const target = join(app, 'node_modules', manifest.name);
  mkdirSync(target, { recursive: true });
  run('tar', ['-xzf', path, '-C', target, '--strip-components', '1'], app);
  return target;
}

/** Has an application in `app` find a package that the repository has installed. */
export function linkPackage(app, name) {
  const link = join(app, 'node_modules', name);
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules', name), link, 'junction');
}

/** What a package manager would put beside the package: its dependencies, and the peers it insists on. */
export function linkNeeded(app) {
  const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
  const needed = declared.filter((name) => !manifest.peerDependenciesMeta?.[name]?.optional);
  for (const name of needed) linkPackage(app, name);
}
