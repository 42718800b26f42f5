import { readdir } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { onEachPlatform } from '../support/platforms.js';
import type { RunningApp } from '../support/running-app.js';
import { now } from '../support/time.js';
import { upload } from './requests.js';
import { startSample } from './start-sample.js';
import { useWorkingDirectory } from './working-directory.js';

describe('sample: process', () => {
  useWorkingDirectory();

  onEachPlatform((platform) => {
    let app: RunningApp;

    beforeEach(async () => {
      app = await startSample(platform);
    });

    it('keeps the client waiting for two seconds at /process-sync', async () => {
      const startedAt = now();
      const { status, body } = await upload(app, '/process-sync', 'an upload');
      expect({ status, body }).toEqual({ status: 200, body: { processed: 9 } });
      expect(now() - startedAt).toBeGreaterThanOrEqual(1_990);
      expect(app.history).toEqual([]);
      expect(await readdir('var/uploads')).toEqual([]);
    });

    it('accepts many at /process-async, and does the same work for each', async () => {
      const uploads = Array.from({ length: 10 }, () => upload(app, '/process-async', 'a file'));
      for (const { status, body } of await Promise.all(uploads)) {
        expect({ status, body }).toEqual({ status: 202, body: { accepted: 6 } });
      }
      const settled = await app.untilSettled(10);
      expect(settled.every(({ type }) => type === 'completed')).toBe(true);
      expect(await readdir('var/uploads')).toEqual([]);
    });
  });
});
