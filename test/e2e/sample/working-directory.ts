import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';

/** For each test a working directory of its own, which is where the sample writes. */
export function useWorkingDirectory(): { readonly path: string } {
  const home = process.cwd();
  const current = { path: '' };

  beforeEach(async () => {
    current.path = await mkdtemp(join(tmpdir(), 'sample-'));
    process.chdir(current.path);
  });

  afterEach(async () => {
    process.chdir(home);
    await rm(current.path, { recursive: true, force: true });
  });

  return current;
}
