// No test, and no check that .ci/run makes, judges how long something took or how much memory was in use: on a machine
// that others share, both say more about the others. A test waits for an event, and for what it measures there is
// bench/. Lower bounds are fine ("did not start before its delay was over").
//
// Found are: an upper bound on what was computed from a clock or from the heap, whether by a matcher, by `<` within
// expect() or assert(), or by an `if`; and a limit of a single test that is shorter than the one of all.
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';
import jestConfig from '../../jest.config.js';
import { ROOT } from './packed.mjs';

/** A moment, the distance of two, a moment that is to come, memory in use. */
const [TIME, DURATION, DEADLINE, MEMORY] = ['time', 'duration', 'deadline', 'memory'];
const SOURCES = new Map([
  ['performance.now', TIME],
  ['performance.timeOrigin', TIME],
  ['Date.now', TIME],
  ['process.hrtime', TIME],
  ['process.hrtime.bigint', TIME],
  ['process.uptime', TIME],
  ['process.cpuUsage', DURATION],
  ['process.memoryUsage', MEMORY],
  ['process.memoryUsage.rss', MEMORY],
  ['process.resourceUsage', MEMORY],
  ['getHeapStatistics', MEMORY],
  ['performance.eventLoopUtilization', DURATION],
]);
/** What was measured elsewhere shows in its name. */
const MEASURED = [
  [/elapsed|took|lasted|lingered|latenc|slowest|durationMs$|waitedMs$|utilization$/i, DURATION],
  [/heap(Used|Growth|Bytes|Size)|^rss$/i, MEMORY],
];
const UPPER = new Set(['toBeLessThan', 'toBeLessThanOrEqual', 'toBeCloseTo', 'toBeWithin']);
const LOWER = new Set(['toBeGreaterThan', 'toBeGreaterThanOrEqual']);
const { LessThanToken, LessThanEqualsToken, GreaterThanToken, GreaterThanEqualsToken } =
  ts.SyntaxKind;
const LESS = new Set([LessThanToken, LessThanEqualsToken]);
const COMPARISONS = new Set([...LESS, GreaterThanToken, GreaterThanEqualsToken]);
const TESTS = /^(it|test|beforeAll|beforeEach|afterAll|afterEach)\b/;

/** The lines that end in `//!` are to be found, and no others. */
const BROKEN = `
  expect(performance.now() - startedAt).toBeLessThan(500); //!
  const from = Date.now(); const spent = Date.now() - from; expect(spent).not.toBeGreaterThan(9); //!
  expect(answer.elapsedMs).toBeLessThanOrEqual(1_500); //!
  expect(1_500).toBeGreaterThan(answer.elapsedMs); //!
  expect(Date.now()).toBeLessThan(from + 500); //!
  expect(spent < 500).toBe(true); //!
  assert.ok(MOST >= spent, 'too slow'); //!
  if (spent > 500) throw new Error('too slow'); //!
  const { heapUsed } = process.memoryUsage(); expect(heapUsed / 100).toBeLessThan(24); //!
  const timeOf = async (act) => { const at = performance.now(); await act(); return performance.now() - at; };
  expect(await timeOf(close)).toBeLessThan(100); //!
  expect(drainingMs(spent) / idle).toBeLessThan(2);
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

function findings(text, name) {
  const file = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
  const kinds = kindsOfNames(file);
  const found = [];
  const report = (node, why) => {
    const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
    found.push({ line: line + 1, why });
  };
  visit(file, (node) => {
    if (ts.isCallExpression(node)) {
      if (isUpperBound(node, kinds)) report(node, 'an upper bound on a time or on memory');
      if (isShortLimit(node, kinds)) report(node, 'a limit shorter than that of all tests');
    } else if (isComparison(node) && isVerdict(node, kinds)) {
      report(node, 'a comparison of a time or of memory that decides');
    }
  });
  return found;
}

/** `expect(measured).toBeLessThan(…)`, `.not.toBeGreaterThan(…)`, `expect(most).toBeGreaterThan(measured)`. */
function isUpperBound({ expression: matcher, arguments: [bound] }, kinds) {
  if (!ts.isPropertyAccessExpression(matcher) || bound === undefined) return false;
  const isUpper = UPPER.has(matcher.name.text);
  if (!isUpper && !LOWER.has(matcher.name.text)) return false;
  let { expression: subject } = matcher;
  let isNegated = false;
  while (ts.isPropertyAccessExpression(subject)) {
    isNegated ||= subject.name.text === 'not';
    subject = subject.expression;
  }
  if (!ts.isCallExpression(subject) || subject.expression.getText() !== 'expect') return false;
  const [actual] = subject.arguments;
  const [small, big] = isUpper !== isNegated ? [actual, bound] : [bound, actual];
  return isBounded(small, big, kinds);
}

function isBounded(small, big, kinds) {
  const kind = kindOf(small, kinds);
  return kind === DURATION || kind === MEMORY || kindOf(big, kinds) === DEADLINE;
}

function isComparison(node) {
  return ts.isBinaryExpression(node) && COMPARISONS.has(node.operatorToken.kind);
}

/** Within expect() and assert() the greater side is the bound; where an `if` asks, either may be. */
function isVerdict(node, kinds) {
  const { left, right, operatorToken } = node;
  const [small, big] = LESS.has(operatorToken.kind) ? [left, right] : [right, left];
  for (let child = node, { parent } = node; parent; child = parent, { parent } = parent) {
    if (ts.isCallExpression(parent) && /^(expect|assert)\b/.test(parent.expression.getText())) {
      return isBounded(small, big, kinds);
    }
    if (ts.isIfStatement(parent) && parent.expression === child) {
      return [small, big].some((side) => [DURATION, MEMORY].includes(kindOf(side, kinds)));
    }
    if (ts.isStatement(parent)) return false;
  }
  return false;
}

/** A number, or the name of one. */
function isShortLimit({ expression, arguments: given }, kinds) {
  const callee = expression.getText();
  const limit =
    callee === 'jest.setTimeout' ? given[0] : TESTS.test(callee) ? given.at(-1) : undefined;
  if (limit === undefined) return false;
  const ms = ts.isNumericLiteral(limit) ? Number(limit.text) : kinds.get(limit.getText());
  return typeof ms === 'number' && ms < jestConfig.testTimeout;
}

/** What each name of a file stands for, or returns, or which number it is; scopes are not told apart. */
function kindsOfNames(file) {
  const kinds = new Map();
  for (let size = -1; size < kinds.size;) {
    size = kinds.size;
    visit(file, (node) => {
      const isNamed = ts.isVariableDeclaration(node) || ts.isPropertyAssignment(node);
      if (isNamed && node.initializer) {
        const { name, initializer } = node;
        const isLiteral = ts.isNumericLiteral(initializer);
        learn(name, isLiteral ? Number(initializer.text) : kindOf(initializer, kinds));
      }
      if (ts.isFunctionDeclaration(node) && node.name) learn(node.name, kindOf(node, kinds));
      if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken) {
        learn(node.left, kindOf(node.right, kinds));
      }
    });
  }
  return kinds;

  function learn(name, kind) {
    if (kind === undefined) return;
    if (ts.isIdentifier(name)) kinds.set(name.text, kind);
    else if (ts.isObjectBindingPattern(name) || ts.isArrayBindingPattern(name)) {
      for (const element of name.elements) {
        if (ts.isBindingElement(element)) learn(element.name, kind);
      }
    }
  }
}

function kindOf(node, kinds) {
  if (ts.isIdentifier(node)) return kindOfName(node.text, kinds);
  if (ts.isCallExpression(node)) {
    const callee = node.expression.getText();
    if (callee.startsWith('Math.')) return firstKind(node.arguments, kinds);
    return SOURCES.get(callee) ?? kindOf(node.expression, kinds);
  }
  if (ts.isPropertyAccessExpression(node)) {
    const source = SOURCES.get(node.getText());
    const ofOwner = kindOf(node.expression, kinds);
    return source ?? measuredKind(node.name.text) ?? (ofOwner === MEMORY ? MEMORY : undefined);
  }
  if (ts.isBinaryExpression(node)) return kindOfSum(node, kinds);
  if (ts.isFunctionLike(node)) return kindOfReturned(node, kinds);
  // `await`, `!`, `as`, brackets: what they hold.
  return node.expression && ts.isExpression(node) && !ts.isElementAccessExpression(node)
    ? kindOf(node.expression, kinds)
    : undefined;
}

function kindOfSum({ left, right, operatorToken }, kinds) {
  const { PlusToken, MinusToken, AsteriskToken, SlashToken } = ts.SyntaxKind;
  const sides = [kindOf(left, kinds), kindOf(right, kinds)];
  const [kind = sides[1]] = sides;
  switch (operatorToken.kind) {
    case MinusToken:
      if (kind === TIME && isNumber(right, kinds)) return TIME;
      return kind === MEMORY || kind === undefined ? kind : DURATION;
    case PlusToken:
      return kind === TIME && sides.includes(undefined) ? DEADLINE : kind;
    case AsteriskToken:
    case SlashToken:
    case ts.SyntaxKind.QuestionQuestionToken:
      return kind;
    default:
      return undefined;
  }
}

function isNumber(node, kinds) {
  return ts.isNumericLiteral(node) || typeof kinds.get(node.getText()) === 'number';
}

function kindOfReturned({ body }, kinds) {
  if (body === undefined) return undefined;
  if (!ts.isBlock(body)) return kindOf(body, kinds);
  const returned = [];
  visit(body, (node) => {
    if (ts.isReturnStatement(node) && node.expression) returned.push(node.expression);
  });
  return firstKind(returned, kinds);
}

function kindOfName(name, kinds) {
  const known = kinds.get(name);
  return known === undefined || typeof known === 'number' ? measuredKind(name) : known;
}

function firstKind(nodes, kinds) {
  return nodes.map((node) => kindOf(node, kinds)).find((kind) => kind !== undefined);
}

function measuredKind(name) {
  return MEASURED.find(([pattern]) => pattern.test(name))?.[1];
}

function visit(node, look) {
  look(node);
  ts.forEachChild(node, (child) => visit(child, look));
}

function checkItself() {
  const expected = BROKEN.split('\n').flatMap((line, index) =>
    line.endsWith('//!') ? [index + 1] : [],
  );
  const found = [...new Set(findings(BROKEN, 'broken.ts').map(({ line }) => line))];
  if (String(found) !== String(expected)) {
    throw new Error(`Of the broken lines ${expected.join()} these were found: ${found.join()}`);
  }
  const [wrong] = findings(SOUND, 'sound.ts');
  if (wrong) throw new Error(`Line ${wrong.line} of the sound example was taken for broken.`);
  return expected.length;
}

const broken = checkItself();
const files = readdirSync(join(ROOT, 'test'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.[cm]?[jt]s$/.test(entry.name))
  .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
  // It measures, and .ci/run does not run it.
  .filter((path) => !path.startsWith('test/soak/'));
const all = files.flatMap((path) =>
  findings(readFileSync(join(ROOT, path), 'utf8'), path).map(
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
