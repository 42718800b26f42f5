import { afterAll, describe } from '@jest/globals';
import { findProgram, type Program } from './programs.mjs';
import type { TestServer } from './servers.js';

/**
 * `describe` for suites that need a program. Without the program they are skipped, which the
 * reporter tells at the start of a run. Not in CI, where a skipped suite would look like a passed
 * one.
 */
export function describeWith(program: Program, title: string, suite: () => void): void {
  if (findProgram(program) !== undefined || process.env['CI'] !== undefined) {
    describe(title, suite);
  } else {
    describe.skip(title, suite);
  }
}

/**
 * One server for all suites of a file. Each suite starts it if it is down; only the file removes
 * it.
 */
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
