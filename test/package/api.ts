// The API reference (docs/api/) and the API report (docs/api-report.md), made of what was built. `--write` makes them;
// without it they are made elsewhere and compared, so that no change of the public surface goes unnoticed.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { surfaceOf } from './surface.js';
import { undocumentedIn } from './undocumented.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DIST = join(ROOT, 'dist/');
const REFERENCE = join(ROOT, 'docs/api');
const REPORT = join(ROOT, 'docs/api-report.md');
const HEAD = `# API report

Every public declaration as it is published. Made by \`npm run docs:api\`; a difference here is a change of the public
surface, and belongs in the changelog. What the names mean is in the [reference](api/README.md).

`;

type Exports = Record<string, { readonly types?: string } | string>;

const types = entries();
if (process.argv.includes('--write')) {
  writeReference(REFERENCE);
  writeFileSync(REPORT, HEAD + surfaceOf(DIST, types));
} else {
  compare();
}

/** What is imported → its declarations, in `dist/`. */
function entries(): Record<string, string> {
  const manifest = readFileSync(join(ROOT, 'package.json'), 'utf8');
  const { exports } = JSON.parse(manifest) as { readonly exports: Exports };
  return Object.fromEntries(
    Object.entries(exports).flatMap(([subpath, target]) =>
      typeof target === 'object' && target.types !== undefined
        ? [[subpath.replace('.', 'nestjs-background-tasks'), target.types.replace('./dist/', '')]]
        : [],
    ),
  );
}

/**
 * Fails on a name, a default or a parameter without documentation, a broken link, a type that is used and
 * not exported.
 */
function writeReference(out: string): void {
  const typedoc = join(ROOT, 'node_modules/typedoc/bin/typedoc');
  const options = ['--options', join(ROOT, 'docs/typedoc.config.js'), '--logLevel', 'Warn'];
  const { status } = spawnSync(process.execPath, [typedoc, ...options, '--out', out], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  const unsaid = undocumentedIn(DIST, Object.values(types));
  unsaid.forEach((line) => console.error(line));
  if (status !== 0 || unsaid.length > 0) {
    console.error('The API reference is not complete.');
    process.exit(1);
  }
}

function compare(): void {
  const home = mkdtempSync(join(tmpdir(), 'api-'));
  try {
    writeReference(home);
    const old = pagesIn(REFERENCE).set('api-report.md', readFileSync(REPORT, 'utf8'));
    const fresh = pagesIn(home).set('api-report.md', HEAD + surfaceOf(DIST, types));
    const names = new Set([...old.keys(), ...fresh.keys()]);
    const stale = [...names].filter((name) => old.get(name) !== fresh.get(name));
    for (const name of stale) {
      console.error(`${name}, ${firstDifference(old.get(name) ?? '', fresh.get(name) ?? '')}`);
    }
    if (stale.length > 0) {
      console.error(
        'The public surface has changed: npm run docs:api, and look at the difference.',
      );
      process.exitCode = 1;
    } else {
      const ways = Object.keys(types).length;
      console.log(`${ways} ways into the package: documented, and as they are reported`);
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

function pagesIn(folder: string): Map<string, string> {
  return new Map(
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
  );
}

function firstDifference(old: string, fresh: string): string {
  const were = old.split('\n');
  const are = fresh.split('\n');
  const first = are.findIndex((text, index) => text !== were[index]);
  const at = first < 0 ? are.length : first;
  return `line ${at + 1}\n  - ${were[at] ?? ''}\n  + ${are[at] ?? ''}`;
}
