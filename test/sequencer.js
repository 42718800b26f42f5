import Sequencer from '@jest/test-sequencer';

/** Suites that start servers or processes, or gather others: their length shows in no file's size. */
const LONG =
  /\/conformance\/|\/e2e\/\w*\.e2e-spec|\/e2e\/(bullmq|board|threads)|typescript|\/unit\/(journal|engine-controls|run)\.spec/;

/**
 * Long suites first, so that none is left over when the others are done. Jest knows how long a suite takes only where it
 * has run before, and goes by the size of its file otherwise.
 */
export default class LongFirst extends Sequencer {
  sort(tests) {
    // oxlint-disable-next-line unicorn/no-array-sort -- a method of the sequencer, not of an array
    const usual = super.sort(tests);
    return usual.toSorted((one, other) => isLong(other) - isLong(one));
  }
}

function isLong({ path }) {
  return LONG.test(path) ? 1 : 0;
}
