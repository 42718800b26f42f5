// The cost of a retry policy when nothing fails: a hundred thousand no-ops, one after the other, in a bare loop, in our
// queue with and without a policy, and in the policies of peers. The variants take turns, in processes of their own.
//
//   npm run bench:retry -- --rounds 5 --calls 100000 --only ours
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { fixed, median, progress, progressDone, quartiles, ratios } from './figures.mjs';
import { benchmarkOptions } from './options.mjs';
import { report } from './report.mjs';
import { VARIANTS } from './retry/variants.mjs';

const { rounds, calls, chosen, write } = benchmarkOptions(
  { rounds: 5, calls: 100_000 },
  Object.keys(VARIANTS),
);
const script = fileURLToPath(new URL('retry/measure.mjs', import.meta.url));
const results = new Map(chosen.map((name) => [name, []]));
for (let round = 1; round <= rounds; round += 1) {
  for (const [name, costs] of results) {
    progress(`round ${round} of ${rounds}: ${name}`);
    try {
      const args = [script, name, String(calls)];
      costs.push(Number(execFileSync(process.execPath, args, { encoding: 'utf8' })));
    } catch (error) {
      if (round === 1) process.stderr.write(`${name} is left out: ${error.message}\n`);
    }
  }
}
progressDone();

const costsOf = (name) => results.get(name) ?? [];
const ofPolicy = ratios(costsOf('ours, 3 attempts'), costsOf('ours, no policy'));
await report({
  write,
  heading: `${calls} calls; medians of ${rounds} rounds and quartiles`,
  tables: [
    {
      name: 'calls',
      head: ['', 'a call', 'quartiles'],
      rows: [...results]
        .filter(([, costs]) => costs.length > 0)
        .map(([name, costs]) => [name, fixed(median(costs), 2, ' µs'), quartiles(costs, 2)]),
    },
  ],
  notes: [`A policy makes a task of ours ${fixed(median(ofPolicy), 2)} times as long.`],
  plots: [
    {
      name: 'retry',
      title: 'A call that does not fail, with a retry policy around it (µs, less is better)',
      bars: [...results]
        .filter(([, costs]) => costs.length > 0)
        .map(([name, costs]) => ({ name, value: median(costs), isOurs: name.startsWith('ours') })),
    },
  ],
});
