// Prints and records the results of every benchmark.
import { basename, join } from 'node:path';
import { fixed, interval, machine, median, quartiles, table } from './figures.mjs';
import { barChart } from './plot.mjs';
import { record } from './results.mjs';
import { ROOT } from './servers/server-process.mjs';

/**
 * Prints figures. With `write` it also draws them, and records them in bench/results.json, from
 * which pages are filled.
 *
 * @param heading what was measured, and how the figures of several rounds were combined
 * @param tables each has a `name`, a `head` and `rows`; tables without rows are left out
 * @param plots each has a `name`, a `title` and `bars`; plots without bars are left out
 * @param notes sentences about the results
 */
export async function report({ heading, tables, notes = [], plots = [], write }) {
  const found = tables.filter(({ rows }) => rows.length > 0);
  const parts = [
    `${heading}; ${machine()}`,
    ...found.map(({ head, rows }) => table(head, rows)),
    ...notes,
  ];
  if (write) {
    record(basename(process.argv[1], '.mjs'), `${heading}; ${machine()}`, found);
    parts.push('bench/results.json is written: `npm run figures` fills the pages from it');
  }
  for (const { name, title, bars } of plots.filter((each) => write && each.bars.length > 0)) {
    const file = join(ROOT, `bench/plots/${name}.svg`);
    await barChart(file, { title, bars });
    parts.push(file);
  }
  console.log(parts.join('\n\n'));
}

/**
 * @param goals each has the comparison (`what`), its `goal`, and the ratios `found`; goals that
 * were not measured are left out
 */
export function goalTable(goals) {
  return {
    name: 'goals',
    head: ['goal', 'at least', 'median', '95 %', 'quartiles', ''],
    rows: goals
      .filter(({ found }) => found.length > 0)
      .map(({ what, goal, found }) => [
        what,
        fixed(goal, 2),
        fixed(median(found), 2),
        interval(found, 2),
        quartiles(found, 2),
        median(found) >= goal ? 'met' : 'not met',
      ]),
  };
}
