// What a retry policy costs where nothing fails: a no-op a hundred thousand times, one after the other, by a bare loop, in
// our queue with and without a policy, and in the policies of peers; each variant in a process of its own, in turn.
//
//   npm run bench:retry [-- --rounds 5 --calls 100000]
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine, median, percentile, progress, progressDone, table } from './figures.mjs';
import { barChart } from './plot.mjs';
import { ROOT } from './servers/server-process.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    calls: { type: 'string', default: '100000' },
    variant: { type: 'string' },
  },
});
const CALLS = Number(values.calls);
const RETRY = { attempts: 3, delay: '1s', factor: 2, maxDelay: '30s' };

async function noop() {}

async function createRunner() {
  await import('reflect-metadata');
  const { Module } = await import('@nestjs/common');
  const { NestFactory } = await import('@nestjs/core');
  const { BackgroundTasksModule, TaskRunner } = await import('nestjs-background-tasks');
  const AppModule = class {};
  Module({ imports: [BackgroundTasksModule.forRoot()] })(AppModule);
  const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error'] });
  return app.get(TaskRunner);
}

/** Each gives a function that makes one call and resolves when it is over. */
const VARIANTS = {
  'a bare loop': async () => noop,
  'ours, no policy': async () => {
    const runner = await createRunner();
    return () => runner.addTask(noop).whenSettled();
  },
  'ours, 3 attempts': async () => {
    const runner = await createRunner();
    const options = { name: 'noop', retry: RETRY };
    return () => runner.addTask(options, noop).whenSettled();
  },
  'p-retry': async () => {
    const { default: pRetry } = await import('p-retry');
    const options = {
      retries: 2,
      minTimeout: 1000,
      factor: 2,
      maxTimeout: 30_000,
      randomize: true,
    };
    return () => pRetry(noop, options);
  },
  cockatiel: async () => {
    const { ExponentialBackoff, handleAll, retry } = await import('cockatiel');
    const backoff = new ExponentialBackoff({ initialDelay: 1000, maxDelay: 30_000 });
    const policy = retry(handleAll, { maxAttempts: 2, backoff });
    return () => policy.execute(noop);
  },
};

if (values.variant !== undefined) {
  const call = await VARIANTS[values.variant]();
  const time = async (calls) => {
    const start = process.hrtime.bigint();
    for (let index = 0; index < calls; index += 1) await call();
    return Number(process.hrtime.bigint() - start) / 1000 / calls;
  };
  await time(CALLS / 5);
  console.log(JSON.stringify(await time(CALLS)));
  process.exit();
}

const rounds = Number(values.rounds);
const results = new Map(Object.keys(VARIANTS).map((name) => [name, []]));
for (let round = 1; round <= rounds; round += 1) {
  for (const [name, costs] of results) {
    progress(`round ${round} of ${rounds}: ${name}`);
    const script = [fileURLToPath(import.meta.url), '--variant', name, '--calls', values.calls];
    try {
      const output = execFileSync(process.execPath, script, { encoding: 'utf8', timeout: 120_000 });
      costs.push(Number(output.trim().split('\n').at(-1)));
    } catch (error) {
      if (round === 1) process.stderr.write(`${name} is left out: ${error.message}\n`);
    }
  }
}
progressDone();

const measured = [...results].filter(([, costs]) => costs.length > 0);
console.log(`${CALLS} calls; medians of ${rounds} rounds and quartiles; ${machine()}\n`);
console.log(
  table(
    ['', 'a call', 'quartiles'],
    measured.map(([name, costs]) => [
      name,
      `${median(costs).toFixed(2)} µs`,
      [0.25, 0.75].map((share) => percentile(costs, share).toFixed(2)).join('–'),
    ]),
  ),
);
const ratios = results.get('ours, 3 attempts').map((cost, round) => {
  const without = results.get('ours, no policy')[round];
  return cost / without;
});
console.log(`\nA policy makes a task of ours ${median(ratios).toFixed(2)} times as long.`);
const plot = join(ROOT, 'bench/plots/retry.svg');
await barChart(plot, {
  title: 'A call that does not fail, with a retry policy around it (µs, less is better)',
  bars: measured.map(([name, costs]) => ({
    name,
    value: median(costs),
    isOurs: name.startsWith('ours'),
  })),
});
console.log(plot);
