import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';
import { AppModule } from '../../../sample/app.module.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import type { Reply } from '../support/client.js';
import type { Platform } from '../support/platforms.js';
import { startApp, type RunningApp } from '../support/running-app.js';

/** The sample as `sample/main.ts` starts it, on a free port. */
export class Sample {
  constructor(
    readonly app: RunningApp,
    private readonly directory: string,
  ) {}

  post(path: string, body?: object): Promise<Reply> {
    return this.app.request(path, { method: 'POST', body });
  }

  /** The caller knows what it is. */
  async getJson(path: string): Promise<never> {
    return JSON.parse((await this.app.request(path)).body) as never;
  }

  /** A form with one file, as `curl -F file=@…` sends it. */
  async upload(
    path: string,
    content: Uint8Array<ArrayBuffer> | string,
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    const form = new FormData();
    form.append('file', new Blob([content]), 'a-file');
    const url = `http://127.0.0.1:${this.app.port}${path}`;
    const response = await fetch(url, { method: 'POST', body: form });
    return { status: response.status, body: await response.json() };
  }

  /** What it has written. */
  read(name: string): Promise<string> {
    return readFile(join(this.directory, name), 'utf8');
  }
}

/** One for each test, with a working directory of its own, which is where it writes. */
export function useSample(platform: Platform): () => Sample {
  const home = process.cwd();
  let sample: Sample;

  beforeEach(async () => {
    const directory = await temporaryFolder();
    process.chdir(directory);
    sample = new Sample(await startApp(platform, AppModule), directory);
  });

  afterEach(() => process.chdir(home));

  return () => sample;
}
