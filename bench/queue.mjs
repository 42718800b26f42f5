// A burst of no-op tasks through our queue and through its peers, each variant in processes of its
// own, in turn, so that a machine which is slow for a while is slow for all of them.
//
//   npm run bench:queue [-- --rounds 5 --tasks 1000000]
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine, median, percentile } from './figures.mjs';
import { barChart } from './plot.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    tasks: { type: 'string', default: '1000000' },
  },
});
const rounds = Number(values.rounds);
const burst = Number(values.tasks);
const script = fileURLToPath(new URL('queue/variants.mjs', import.meta.url));

/** As many tasks as in one burst, in bursts of so many: what a task costs where few are pending. */
const SMALL = 10_000;

const workloads = [
  ['ours', burst],
  ['fastq promise', burst],
  ['fastq callback', burst],
  ['async.queue', burst],
  ['p-queue', burst],
  ['ours, random priorities', burst],
  ['ours', SMALL],
  ['ours, random priorities', SMALL],
];

const results = new Map(workloads.map((workload) => [workload.join(' × '), []]));
for (let round = 1; round <= rounds; round += 1) {
  for (const workload of workloads) {
    const key = workload.join(' × ');
    process.stderr.write(`round ${round} of ${rounds}: ${key}\n`);
    try {
      const output = execFileSync(
        process.execPath,
        ['--expose-gc', script, workload[0], String(burst), String(workload[1])],
        { encoding: 'utf8', timeout: 120_000 },
      );
      results.get(key).push(JSON.parse(output.trim().split('\n').at(-1)));
    } catch (error) {
      process.stderr.write(`  left out: ${error.message.split('\n')[0]}\n`);
    }
  }
}

const medianOf = (key, field) => median(results.get(key).map((result) => result[field]));
const quartilesOf = (key) =>
  [0.25, 0.75]
    .map((share) =>
      format(
        percentile(
          results.get(key).map((result) => result.perSecond),
          share,
        ),
      ),
    )
    .join('–');
const format = (number) => (number === undefined ? '–' : number.toLocaleString('en'));

console.log(`\nmedians of ${rounds} rounds, quartiles of the rate; ${machine()}\n`);
console.log(
  '| variant × tasks a burst | tasks/s | quartiles | ratio to fastq promise | peak MB | bytes a pending task |',
);
console.log('| --- | --: | --: | --: | --: | --: |');
const reference = `fastq promise × ${burst}`;
for (const [key, all] of results) {
  if (all.length > 0) {
    const rates = all.map(({ perSecond }, index) => {
      const peer = results.get(reference)[index]?.perSecond;
      return peer === undefined ? undefined : perSecond / peer;
    });
    const ratio = median(rates.filter((rate) => rate !== undefined));
    console.log(
      `| ${key} | ${format(medianOf(key, 'perSecond'))} | ${quartilesOf(key)} | ${ratio?.toFixed(2) ?? '–'} | ` +
        `${format(medianOf(key, 'peakMb'))} | ${format(medianOf(key, 'bytesPerTask'))} |`,
    );
  }
}
for (const variant of ['ours', 'ours, random priorities']) {
  const costs = (size) => results.get(`${variant} × ${size}`).map((run) => run.microsecondsPerTask);
  const small = costs(SMALL);
  const ratios = costs(burst).map((cost, index) => cost / small[index]);
  console.log(
    `\n${variant}: a task costs ${median(costs(burst)).toFixed(2)} µs with ${format(burst)} pending, ` +
      `${median(small).toFixed(2)} µs with ${format(SMALL)}: ${median(ratios).toFixed(2)}×`,
  );
}
const plot = fileURLToPath(new URL('plots/queue.svg', import.meta.url));
await barChart(plot, {
  title: `${format(burst)} no-op tasks, thousands a second (more is better)`,
  bars: [...results]
    .filter(([, all]) => all.length > 0)
    .map(([name]) => ({
      name,
      value: medianOf(name, 'perSecond') / 1_000,
      isOurs: name.startsWith('ours'),
    })),
});
console.log(`\n${plot}`);
