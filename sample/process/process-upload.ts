import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { currentTask } from 'nestjs-background-tasks';

/** Stands for the time that another service takes. */
const SERVICE_MS = 2_000;

/** @returns the file's checksum; the file is deleted */
export async function processUpload(path: string): Promise<string> {
  const { signal } = currentTask();
  try {
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash, { signal });
    await sleep(SERVICE_MS, undefined, { signal });
    return hash.digest('hex');
  } finally {
    await rm(path, { force: true });
  }
}
