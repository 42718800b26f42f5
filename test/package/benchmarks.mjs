// Every benchmark refuses what it does not understand, before it measures anything, and says what it does.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT, manifest } from './packed.mjs';

const WRONG = [
  [['2'], /Unexpected argument '2'/],
  [['--rounds'], /'--rounds <value>' argument missing/],
  [['--rounds', '0'], /--rounds 0: a whole number from 1 is expected/],
  [['--rounds', 'many'], /--rounds many: a whole number/],
  [['--rounds=1.5'], /--rounds 1\.5: a whole number/],
  [['--only', 'nobody'], /--only nobody: there is no such variant/],
];
const UNKNOWN = [['--round', '2'], /Unknown option '--round'/];

const scripts = Object.entries(manifest.scripts).flatMap(([name, command]) =>
  name.startsWith('bench:') ? [command.split(' ').find((word) => word.startsWith('bench/'))] : [],
);
assert.ok(scripts.length > 5, `only ${scripts.length} benchmarks are found`);
for (const [index, script] of scripts.entries()) {
  for (const [args, message] of index === 0 ? [UNKNOWN, ...WRONG] : [UNKNOWN]) {
    const ended = spawnSync(process.execPath, [join(ROOT, script), ...args], { encoding: 'utf8' });
    const where = `${script} ${args.join(' ')}`;
    assert.match(ended.stderr, message, where);
    assert.match(ended.stderr, /^Options:\n {2}--rounds \d+/m, where);
    assert.deepEqual([ended.status, ended.stdout], [1, ''], where);
  }
}
console.log(`${scripts.length} benchmarks refuse wrong options`);
