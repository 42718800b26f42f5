// Runs scripts of package.json, at most two at a time, and says how long each took. After the first failure no other begins.
//
//   node .ci/steps.mjs build, typecheck lint
//
// A comma after a name: the rest needs what this step makes, and begins after it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

const AT_ONCE = 2;

// What is packed is what the step `build` made: npm would build it anew each time.
const env = { ...process.env, npm_config_ignore_scripts: 'true' };
let isFailed = false;

/** Prints the output in one piece when the step is over: two at once would mix their lines. */
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
