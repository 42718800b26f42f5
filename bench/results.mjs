// What the benchmarks have found, in bench/results.json: by benchmark, by major version of Node.js, by table.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './servers/server-process.mjs';

const FILE = join(ROOT, 'bench/results.json');

export function readResults() {
  return JSON.parse(readFileSync(FILE, 'utf8'));
}

/**
 * Records a run. Its tables take the place of those with the same names, whole: rows of two runs are not to be compared.
 *
 * @param benchmark such as `durable`
 * @param conditions under which it ran
 * @param tables each of a `name`, a `head` and `rows`
 */
export function record(benchmark, conditions, tables) {
  const results = readResults();
  const major = process.versions.node.split('.')[0];
  const of = ((results[benchmark] ??= {})[major] ??= {});
  for (const { name, head, rows } of tables) {
    const date = new Date().toISOString().slice(0, 10);
    of[name] = {
      conditions: `${conditions}, ${date}`,
      columns: head.slice(1),
      rows: Object.fromEntries(rows.map(([row, ...cells]) => [row, cells])),
    };
  }
  writeFileSync(FILE, `${JSON.stringify(results, undefined, 2)}\n`);
}
