// The results of the benchmarks, in bench/results.json: by benchmark, major version of Node.js, and
// table.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './servers/server-process.mjs';

const FILE = join(ROOT, 'bench/results.json');

export function readResults() {
  return JSON.parse(readFileSync(FILE, 'utf8'));
}

/**
 * Records a run. Its tables replace whole tables of the same names, because rows of two runs must
 * not be compared.
 *
 * @param benchmark such as `durable`
 * @param conditions under which the benchmark ran
 * @param tables each has a `name`, a `head` and `rows`
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
