// Runs scripts of package.json one after the other, up to the first that fails, and says how long each took.
//
//   node .ci/steps.mjs typecheck lint
import { spawnSync } from 'node:child_process';

// What is packed is what the step `build` made: npm would build it anew each time.
const env = { ...process.env, npm_config_ignore_scripts: 'true' };
for (const step of process.argv.slice(2)) {
  console.log(`\n--- ${step}`);
  const begun = performance.now();
  const { status } = spawnSync('npm', ['run', '--silent', step], { stdio: 'inherit', env });
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  console.log(`--- ${step}: ${status === 0 ? '' : 'FAILED after '}${seconds} s`);
  if (status !== 0) process.exit(1);
}
