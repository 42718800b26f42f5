import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';

/** The full path of a directory below the working directory, which is made if necessary. */
export async function directory(path: string): Promise<string> {
  const full = resolve(path);
  await mkdir(full, { recursive: true });
  return full;
}
