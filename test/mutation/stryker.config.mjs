// One group of test/mutation/groups.mjs, as run.mjs names it.
import { fileURLToPath } from 'node:url';

const { MUTATE = '', TESTS = '', REPORT = '', CONCURRENCY = '1' } = process.env;

/** @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
export default {
  mutate: MUTATE.split(','),
  testRunner: 'jest',
  testRunnerNodeArgs: ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
  jest: {
    configFile: 'jest.config.js',
    // Everything is related to everything through the module: the group says what counts.
    enableFindRelatedTests: false,
    config: {
      testMatch: TESTS.split(',').map((path) => `<rootDir>/${path}`),
      testPathIgnorePatterns: ['/node_modules/'],
      testEnvironment: fileURLToPath(new URL('first-failure.cjs', import.meta.url)),
      // Most changes that break a wait break it for ever. No test of the groups takes a second.
      testTimeout: 8_000,
      reporters: [],
    },
  },
  coverageAnalysis: 'perTest',
  concurrency: Number(CONCURRENCY),
  // A busy machine must not pass for an endless loop.
  timeoutMS: 30_000,
  ignorePatterns: ['/bench', '/coverage', '/dist', '/docs', '/var'],
  tempDirName: '.cache/stryker',
  reporters: ['json', 'progress-append-only'],
  jsonReporter: { fileName: REPORT },
  allowConsoleColors: false,
  logLevel: 'warn',
};
