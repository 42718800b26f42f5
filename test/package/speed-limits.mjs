// No test, and no check that .ci/run makes, judges how long something took or how much memory was in use: on a machine
// that others share, both say more about the others. A test waits for an event, and for what it measures there is
// bench/. Lower bounds are fine ("did not start before its delay was over").
//
// Found are: an upper bound on what a clock or the heap gave, whether by a matcher, by `<` within expect() or assert(), or
// by an `if`; and a limit of a single test that is shorter than the one of all. It goes by the names of a file, one statement
// after the other: what a function of another file measures shows in its name only.
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import jestConfig from '../../jest.config.js';
import { ROOT } from './packed.mjs';

const CLOCK =
  /performance\.(now|timeOrigin)|Date\.now\(|process\.(hrtime|uptime|cpuUsage)|eventLoopUtilization/;
const MEMORY =
  /memoryUsage|resourceUsage|getHeapStatistics|\bheap(Used|Growth|Bytes|Size)|\brss\b/i;
const MEASURED =
  /elapsed|\btook|took\b|lasted|lingered|latenc|slowest|durationMs\b|waitedMs\b|utilization\b/i;
const UPPER = /^toBe(LessThan(OrEqual)?|CloseTo|Within)$/;
const LOWER = /^toBeGreaterThan(OrEqual)?$/;

/** The lines that end in `//!` are to be found, and no others. */
const BROKEN = `
  expect(performance.now() - startedAt).toBeLessThan(500); //!
  const from = Date.now(); const spent = Date.now() - from; expect(spent).not.toBeGreaterThan(9); //!
  expect(answer.elapsedMs).toBeLessThanOrEqual(1_500); //!
  expect(1_500).toBeGreaterThan(answer.elapsedMs); //!
  expect(Date.now()).toBeLessThan(from + 500); //!
  expect(spent < 500).toBe(true); //!
  assert.ok(MOST >= spent, 'too slow'); //!
  it('is quick', async () => { //!
    await end();
  }, 5_000);
  if (spent > 500) throw new Error('too slow'); //!
  const { heapUsed } = process.memoryUsage(); expect(heapUsed / 100).toBeLessThan(24); //!
  const timeOf = async (act) => { const at = performance.now(); await act(); return performance.now() - at; };
  expect(await timeOf(close)).toBeLessThan(100); //!
  expect(Math.max(spent, 1) / idle).toBeCloseTo(2); //!
  it('ends', () => end(), 5_000); //!
  const PATIENCE_MS = 5_000; it('ends', () => end(), PATIENCE_MS); //!
  jest.setTimeout(5_000); //!
`;
const SOUND = `
  const from = performance.now(); expect(performance.now() - from).toBeGreaterThanOrEqual(300);
  expect(endedAt).toBeLessThan(startedAt); expect(from).toBeLessThan(later);
  expect(performance.now() - from >= 300).toBe(true);
  while (performance.now() - from < 20) burn();
  const CLOCK_MS = 20; expect(info.addedAt).toBeGreaterThanOrEqual(from - CLOCK_MS);
  const giveUpAt = Date.now() + 60_000; if (Date.now() > giveUpAt) throw error;
  expect(names.length).toBeLessThan(5); expect(retry.waitMs).toBeLessThanOrEqual(retry.maxDelay);
  it('takes its time', () => end(), 600_000);
`;

/** Statements with the number of the line in which each begins. */
function statementsOf(text) {
  let line = 1;
  return text.split(/(?<=[;{}]\s)/).map((statement) => {
    const begins = line + (/^\s*/.exec(statement)[0].match(/\n/g)?.length ?? 0);
    line += statement.match(/\n/g)?.length ?? 0;
    return { line: begins, code: statement.replaceAll(/\s+/g, ' ') };
  });
}

/** A test with its body in braces, as one statement that ends with its limit. */
const WITH_LIMIT =
  /^( *)((?:it|test|before\w+|after\w+)\b.*)\{ *\n((?:(?!\1\}).*\n)*?)\1\}, (\w+)\);$/gm;

function findings(source) {
  const text = source
    .replaceAll(/(?<=^|\s)\/\/.*/gm, '')
    .replaceAll(WITH_LIMIT, (_, indent, head, body, limit) =>
      [`${indent}${head.replace(/[;{}]/g, '')}{}, ${limit});`, body].join('\n'),
    );
  const moments = new Set();
  const durations = new Set();
  const numbers = new Map();
  let enclosing = '';
  const isMeasured = (code) =>
    MEMORY.test(code) ||
    MEASURED.test(code) ||
    (CLOCK.test(code) && code.includes(' - ')) ||
    isAmong(durations, code);
  const isDeadline = (code) => / \+ /.test(code) && (CLOCK.test(code) || isAmong(moments, code));
  return statementsOf(text).flatMap(({ line, code }) => {
    const [, functionName] = /(?:function|const) (\w+)(?: =[^=]*=>|\()/.exec(code) ?? [];
    enclosing = functionName ?? enclosing;
    const [, name, value = ''] = /(?:const|let) (\w+) = (.+);/.exec(code) ?? [];
    if (/^[\d_]+$/.test(value)) numbers.set(name, Number(value.replaceAll('_', '')));
    else if (name && isMeasured(value)) durations.add(name);
    else if (name && /^(performance|Date)\.now/.test(value)) moments.add(name);
    if (/return .*/.test(code) && isMeasured(code)) durations.add(enclosing);
    const why = verdictOf(code, isMeasured, isDeadline) ?? limitOf(code, numbers);
    return why === undefined ? [] : [{ line, why }];
  });
}

function isAmong(names, code) {
  return [...names].some((name) => new RegExp(`\\b${name}\\b`).test(code));
}

function verdictOf(code, isMeasured, isDeadline) {
  const [, actual, not, matcher = '', bound = ''] =
    /expect\((.+)\)(\.not)?\.(\w+)\((.*)\)/.exec(code) ?? [];
  const isUpper = UPPER.test(matcher);
  if (isUpper || LOWER.test(matcher)) {
    const isBelow = isUpper !== (not !== undefined);
    if (isMeasured(isBelow ? actual : bound) || (isBelow && isDeadline(bound))) {
      return 'an upper bound on a time or on memory';
    }
  }
  const [, left = '', sign, right = ''] =
    /(?:expect|assert\.?\w*|if) ?\((.+?) ([<>]=?) (.+)\)/.exec(code) ?? [];
  const sides = sign?.startsWith('<') ? [left, right] : [right, left];
  const asked = /\bif \(/.test(code) ? sides : sides.slice(0, 1);
  return sign !== undefined && asked.some(isMeasured)
    ? 'a comparison of a time or of memory that decides'
    : undefined;
}

/** Of a test in one line, or of one whose end stands below its beginning. */
function limitOf(code, numbers) {
  const [, limit] =
    /^ ?(?:(?:it|test|before\w+|after\w+)\b.*(?:, |\}, )|jest\.setTimeout\()(\w+)\); ?$/.exec(
      code,
    ) ?? [];
  const ms = numbers.get(limit) ?? Number(limit?.replaceAll('_', ''));
  return ms < jestConfig.testTimeout ? 'a limit shorter than that of all tests' : undefined;
}

function checkItself() {
  const expected = BROKEN.split('\n').flatMap((line, index) =>
    line.endsWith('//!') ? [index + 1] : [],
  );
  const found = [...new Set(findings(BROKEN).map(({ line }) => line))];
  if (String(found) !== String(expected)) {
    throw new Error(`Of the broken lines ${expected.join()} these were found: ${found.join()}`);
  }
  const [wrong] = findings(SOUND);
  if (wrong) throw new Error(`Line ${wrong.line} of the sound example was taken for broken.`);
  return expected.length;
}

const broken = checkItself();
const files = readdirSync(join(ROOT, 'test'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.[cm]?[jt]s$/.test(entry.name))
  .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
  // It measures, and .ci/run does not run it; and the examples above.
  .filter((path) => !path.startsWith('test/soak/') && path !== 'test/package/speed-limits.mjs');
const all = files.flatMap((path) =>
  findings(readFileSync(join(ROOT, path), 'utf8')).map(
    ({ line, why }) => `${path}:${line}: ${why}`,
  ),
);
for (const each of all) console.error(each);
if (all.length > 0) {
  console.error('Machines are shared: wait for an event, and measure in bench/.');
  process.exitCode = 1;
} else {
  console.log(`no speed limits in ${files.length} files; ${broken} broken examples are noticed`);
}
