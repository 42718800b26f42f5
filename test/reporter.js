/**
 * The last line of a test run: `N passed, N failed`, and `, N skipped` where there are any. A suite that could not be
 * loaded counts as one failure, since none of its tests is in the other counts.
 *
 * Jest loads a reporter by its default export.
 */
export default class Tally {
  #line = '';

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
