import { describe } from '@jest/globals';
import { findProgram, type Program } from './programs.mjs';

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
