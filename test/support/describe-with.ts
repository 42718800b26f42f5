import { describe } from '@jest/globals';
import { hasServer } from './servers.js';

/**
 * `describe` for suites that need a server: skipped where its program is missing, except in CI, where
 * what is skipped would look like passed.
 */
export function describeWith(
  program: 'redis-server' | 'postgres',
  title: string,
  suite: () => void,
): void {
  if (hasServer(program) || process.env['CI'] !== undefined) {
    describe(title, suite);
  } else {
    const debian = program === 'postgres' ? 'postgresql' : 'redis-server';
    process.stderr.write(`skipped "${title}": needs ${program} (apt-get install ${debian})\n`);
    describe.skip(title, suite);
  }
}
