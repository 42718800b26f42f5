// Runs scripts of package.json, at most two at a time, and prints how long each took. After a failure no further script starts.
//
//   node .ci/steps.mjs build, typecheck lint
//
// A comma after a name means that the steps behind it need its result, and start after it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

const AT_ONCE = 2;

// The step `build` has built what is packed; npm would build it again each time.
const env = { ...process.env, npm_config_ignore_scripts: 'true' };
let isFailed = false;

/** Prints the output of a step in one piece at its end, because two steps run at once. */
async function run(step) {
  const begun = performance.now();
  const child = spawn('sh', ['-c', `npm run --silent ${step} 2>&1`], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  isFailed ||= code !== 0;
  console.log(`\n${output}--- ${step}: ${code === 0 ? '' : 'FAILED after '}${seconds} s`);
}

async function runAll(steps) {
  const waiting = [...steps];
  const lane = async () => {
    for (let step = waiting.shift(); step !== undefined && !isFailed; step = waiting.shift())
      await run(step);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

for (const group of process.argv.slice(2).join(' ').split(', ')) await runAll(group.split(' '));
process.exit(isFailed ? 1 : 0);
