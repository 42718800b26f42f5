import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * Loads the suites in the folder named like the file at `url`, so that common modules are loaded
 * once.
 */
export async function suitesBeside(url: string): Promise<void> {
  const folder = fileURLToPath(url).replace(/\.spec\.ts$/, '');
  const names = await readdir(folder, { recursive: true });
  for (const name of names.filter((each) => each.endsWith('.spec.ts')).toSorted()) {
    await import(pathToFileURL(join(folder, name)).href);
  }
}
