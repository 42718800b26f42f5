// A burst of no-op tasks through our queue and through its peers. The variants take turns, in processes
// of their own, so that a slow moment of the machine hits all of them.
//
//   npm run bench:queue -- --rounds 5 --tasks 1000000 --only ours --only fastq
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { fixed, median, progress, progressDone, quartiles, ratios } from './figures.mjs';
import { benchmarkOptions } from './options.mjs';
import { report } from './report.mjs';

/** As many tasks as in one burst, but in small bursts: the cost of a task when few are pending. */
const SMALL = 10_000;
const IN_SMALL = ` × ${SMALL}`;
const OURS = ['ours', 'ours, random priorities'];
const PEERS = ['fastq promise', 'fastq callback', 'async.queue', 'p-queue'];
const VARIANTS = [...OURS, ...PEERS, ...OURS.map((name) => `${name}${IN_SMALL}`)];

const { rounds, tasks, chosen, write } = benchmarkOptions(
  { rounds: 5, tasks: 1_000_000 },
  VARIANTS,
);
const script = fileURLToPath(new URL('queue/variants.mjs', import.meta.url));
const results = new Map(chosen.map((name) => [name, []]));
for (let round = 1; round <= rounds; round += 1) {
  for (const name of chosen) {
    progress(`round ${round} of ${rounds}: ${name}`);
    try {
      const burst = name.endsWith(IN_SMALL) ? SMALL : tasks;
      const args = [
        '--expose-gc',
        script,
        name.replace(IN_SMALL, ''),
        String(tasks),
        String(burst),
      ];
      const output = execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 120_000 });
      results.get(name).push(JSON.parse(output.trim().split('\n').at(-1)));
    } catch (error) {
      if (round === 1) process.stderr.write(`${name} is left out: ${error.message}\n`);
    }
  }
}
progressDone();

const of = (name, field) => (results.get(name) ?? []).map((each) => each[field]);
const measured = chosen.filter((name) => results.get(name).length > 0);
await report({
  write,
  heading: `medians of ${rounds} rounds, quartiles of the rate`,
  tables: [
    {
      name: 'bursts',
      head: [
        `${tasks} tasks in one burst, or in many`,
        'tasks/s',
        'quartiles',
        'ratio to fastq promise',
        'peak MB',
        'bytes a pending task',
      ],
      rows: measured.map((name) => [
        name,
        fixed(median(of(name, 'perSecond')), 0),
        quartiles(of(name, 'perSecond'), 0),
        fixed(median(ratios(of(name, 'perSecond'), of('fastq promise', 'perSecond'))), 2),
        fixed(median(of(name, 'peakMb')), 0),
        fixed(median(of(name, 'bytesPerTask')), 0),
      ]),
    },
  ],
  notes: OURS.filter((name) => measured.includes(name)).map((name) => {
    const [many, few] = [name, `${name}${IN_SMALL}`].map((each) => of(each, 'microsecondsPerTask'));
    return (
      `${name}: a task costs ${fixed(median(many), 2, ' µs')} with ${tasks} pending, ` +
      `${fixed(median(few), 2, ' µs')} with ${SMALL}: ${fixed(median(ratios(many, few)), 2)} times that`
    );
  }),
  plots: [
    {
      name: 'queue',
      title: `${tasks} no-op tasks, thousands a second (more is better)`,
      bars: measured.map((name) => ({
        name,
        value: median(of(name, 'perSecond')) / 1_000,
        isOurs: name.startsWith('ours'),
      })),
    },
  ],
});
