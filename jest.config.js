// A room of unit tests is one file, which loads what its suites share once, unless one of them is asked for.
const asked = process.argv
  .slice(2)
  .filter((text) => !text.startsWith('-') && !text.includes('e2e'));
const isSuiteAsked = asked.some((text) => !/(^|\/)unit(\/[\w-]+)?\/?$/.test(text));
const others = isSuiteAsked ? 'test/unit/[\\w-]+\\.spec' : 'test/unit/[\\w-]+/';

/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  // A limit against hanging, not a measure: machines are shared.
  testTimeout: 120_000,
  // More than there are cores: much of the time is spent waiting. What ES modules leave behind in a worker slows down all that follows.
  maxWorkers: 3,
  workerIdleMemoryLimit: '800MB',
  testMatch: ['<rootDir>/test/**/*.{spec,e2e-spec}.ts'],
  // What a run of the mutation tests puts there repeats tests of others.
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/mutation/', `<rootDir>/${others}`],
  // Copies of the repository that the mutation tests make.
  modulePathIgnorePatterns: ['<rootDir>/.cache/'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^nestjs-background-tasks/(bullmq|journal)$': '<rootDir>/lib/engine/$1/index.ts',
    '^nestjs-background-tasks$': '<rootDir>/lib/index.ts',
    '^nestjs-background-tasks/threads$': '<rootDir>/lib/run/threads/index.ts',
    '^nestjs-background-tasks/(\\w+)$': '<rootDir>/lib/$1/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  // An ES module that @fastify/static requires, which jest cannot do before Node.js 24.9.
  transformIgnorePatterns: ['/node_modules/(?!content-disposition/)'],
  transform: {
    'content-disposition/.+\\.js$': ['@swc/jest', { swcrc: false, module: { type: 'commonjs' } }],
    '^.+\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        jsc: {
          target: 'es2022',
          keepClassNames: true,
          parser: { syntax: 'typescript', decorators: true },
          transform: {
            legacyDecorator: true,
            decoratorMetadata: true,
            useDefineForClassFields: true,
            verbatimModuleSyntax: true,
          },
        },
      },
    ],
  },
  globalSetup: '<rootDir>/test/support/compile.mjs',
  testSequencer: '<rootDir>/test/sequencer.js',
  reporters: ['default', '<rootDir>/test/reporter.js'],
  collectCoverageFrom: ['lib/**/*.ts', '!lib/index.ts'],
  coverageProvider: 'v8',
  coverageReporters: ['json-summary', 'lcov'],
};
