import { missingPrograms } from './support/programs.mjs';

/**
 * What a run says before jest does, and after: which suites it skips and how to have them run; and as the last line
 * `N passed, N failed`, with `, N skipped` where there are any. A suite that could not be loaded counts as one failure,
 * since none of its tests is in the other counts.
 *
 * Jest loads a reporter by its default export.
 */
export default class Tally {
  #line = '';

  onRunStart() {
    const { names, packages } = missingPrograms();
    if (names.length === 0) return;
    const what = process.env.CI === undefined ? 'are skipped' : 'fail';
    process.stdout.write(
      `\nThe suites that need ${names.join(', ')} ${what}: not installed here.\n` +
        `To have them run: apt-get install ${packages.join(' ')}\n`,
    );
  }

  onRunComplete(_contexts, results) {
    // Jest's own summary comes after all other reporters, wherever they are listed: only the exit is later.
    if (this.#line === '') process.once('exit', () => process.stdout.write(this.#line));
    this.#line = `${tally(results)}\n`;
  }
}

function tally(results) {
  const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
  const skipped = results.numPendingTests + results.numTodoTests;
  const counts = [`${results.numPassedTests} passed`, `${failed} failed`];
  if (skipped > 0) counts.push(`${skipped} skipped`);
  return counts.join(', ');
}
