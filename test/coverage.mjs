// Coverage of the whole suite, or of the tests that are named: `npm run test:cov -- [what jest takes]`. Prints the share of
// lines and branches of each file of lib/; of the whole suite, a file with fewer branches than the bound needs a reason.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BOUND = 90;

const STORES =
  'what it does when a store or its process dies is shown in processes of their own ' +
  '(test/e2e/bullmq: chaos, processes), where no coverage is seen.';

/** Files below the bound, and why. */
const REASONS = {
  'lib/engine/bullmq/consumer/consumer.ts': STORES,
  'lib/engine/bullmq/consumer/job-line.ts': STORES,
  'lib/task/async-context.ts':
    'half of its branches are for Node.js up to 22, the other half for later ones.',
  'lib/engine/journal/journal-lock.ts':
    'one branch is for Windows, and which of two that ask at the same moment gives way differs from run to run.',
};

const names = process.argv.slice(2);
const jest = spawn(
  process.execPath,
  [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    'node_modules/jest/bin/jest.js',
    '--coverage',
    ...names,
  ],
  { cwd: ROOT, stdio: 'inherit' },
);
const [code] = await once(jest, 'exit');
const summary = JSON.parse(readFileSync(join(ROOT, 'coverage/coverage-summary.json'), 'utf8'));

/** What is only types is loaded by nobody, and has nothing to cover. */
function hasCode(file) {
  const { outputText } = ts.transpileModule(readFileSync(join(ROOT, file), 'utf8'), {
    compilerOptions: { target: ts.ScriptTarget.ESNext, verbatimModuleSyntax: true },
  });
  return outputText.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '').trim() !== 'export {};';
}

const shares = Object.entries(summary)
  .filter(([path]) => path !== 'total')
  .map(([path, { lines, branches }]) => ({ file: relative(ROOT, path), lines, branches }))
  .filter(({ file }) => hasCode(file))
  .toSorted((one, other) => one.file.localeCompare(other.file));

const total = (what) => {
  const sum = (key) => shares.reduce((all, each) => all + each[what][key], 0);
  return { pct: (100 * sum('covered')) / sum('total') };
};
const row = ({ file, lines, branches }) =>
  `${file.padEnd(56)} ${lines.pct.toFixed(1).padStart(6)} % ${branches.pct.toFixed(1).padStart(6)} %`;

console.log(`${'file'.padEnd(56)}    lines branches`);
shares.forEach((each) => console.log(row(each)));
console.log(row({ file: 'all', lines: total('lines'), branches: total('branches') }));

// Of some tests alone the figures say little.
const below = names.length > 0 ? [] : shares.filter(({ branches }) => branches.pct < BOUND);
for (const { file } of below) {
  console.log(`${file} is below ${BOUND} %: ${REASONS[file] ?? 'without a reason.'}`);
}
const isExplained = below.every(({ file }) => REASONS[file] !== undefined);
process.exitCode = code === 0 && isExplained ? 0 : 1;
