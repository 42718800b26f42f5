import { afterAll, describe } from '@jest/globals';
import { findProgram, type Program } from './programs.mjs';
import type { TestServer } from './servers.js';

/**
 * `describe` for suites that need a program: skipped where it is missing, which the reporter tells when
 * a run begins, except in CI, where what is skipped would look like passed.
 */
export function describeWith(program: Program, title: string, suite: () => void): void {
  if (findProgram(program) !== undefined || process.env['CI'] !== undefined) {
    describe(title, suite);
  } else {
    describe.skip(title, suite);
  }
}

/** One server for the suites of a file: each starts it where it does not run, and none removes it. */
export function sharedServer(make: () => Promise<TestServer>): () => Promise<TestServer> {
  let made: Promise<TestServer> | undefined;
  let remove: (() => Promise<void>) | undefined;
  afterAll(() => remove?.());
  return () => {
    made ??= make().then((server) => {
      remove = server.remove.bind(server);
      return Object.assign(server, { remove: () => Promise.resolve() });
    });
    return made;
  };
}
