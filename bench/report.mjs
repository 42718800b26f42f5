// The one way out for what a benchmark has found.
import { join } from 'node:path';
import { fixed, interval, machine, median, quartiles, table } from './figures.mjs';
import { barChart } from './plot.mjs';
import { ROOT } from './servers/server-process.mjs';

/**
 * Prints figures, and draws them where `write` says so.
 *
 * @param heading what was measured, and how figures of several rounds were taken together
 * @param tables each of a `head` and `rows`; those without rows are left out
 * @param plots each of a `name`, a `title` and `bars`; those without bars are left out
 * @param notes sentences about it
 */
export async function report({ heading, tables, notes = [], plots = [], write }) {
  const parts = [
    `${heading}; ${machine()}`,
    ...tables.filter(({ rows }) => rows.length > 0).map(({ head, rows }) => table(head, rows)),
    ...notes,
  ];
  for (const { name, title, bars } of plots.filter((each) => write && each.bars.length > 0)) {
    const file = join(ROOT, `bench/plots/${name}.svg`);
    await barChart(file, { title, bars });
    parts.push(file);
  }
  console.log(parts.join('\n\n'));
}

/** @param goals each of `what` is compared, its `goal`, and the ratios `found`; those that were not measured are left out */
export function goalTable(goals) {
  return {
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
