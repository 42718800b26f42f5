const { TestEnvironment } = require('jest-environment-node');

/** Skips what follows the first failure: one test that notices a change is enough, and others may hang on it. */
module.exports = class FirstFailure extends TestEnvironment {
  hasFailed = false;

  handleTestEvent({ name, test }) {
    if (name === 'test_start' && this.hasFailed) {
      test.mode = 'skip';
    } else if (name === 'test_done') {
      this.hasFailed ||= test.errors.length > 0;
    }
  }
};
