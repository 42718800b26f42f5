import { readFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Reply } from '../support/client.js';
import { EXPRESS } from '../support/platforms.js';
import type { RunningApp } from '../support/running-app.js';
import { getJson } from './requests.js';
import { startSample } from './start-sample.js';
import { useWorkingDirectory } from './working-directory.js';

describe('sample: analytics', () => {
  useWorkingDirectory();

  let app: RunningApp;

  beforeEach(async () => {
    app = await startSample(EXPRESS);
  });

  const add = (path: string, status: number, durationMs: number): Promise<Reply> =>
    app.request('/analytics/events', { method: 'POST', body: { path, status, durationMs } });

  it('writes a batch of single events at once', async () => {
    for (let number = 0; number < 100; number += 1) {
      expect((await add('/users', number < 10 ? 500 : 200, number)).status).toBe(202);
    }
    await app.untilSettled(100);
    expect(app.names('completed')).toHaveLength(100);
    const { writes, paths }: { writes: number; paths: unknown } = await getJson(app, '/analytics');
    // A hundred fill a batch; a slow machine sends one off earlier, after half a second.
    expect(writes).toBeLessThan(100);
    expect(paths).toEqual({ '/users': { requests: 100, errors: 10, meanMs: 49.5 } });
    expect((await readFile('var/analytics.ndjson', 'utf8')).split('\n')).toHaveLength(101);
  });

  it('writes what has been gathered when it shuts down', async () => {
    await add('/users', 200, 1);
    await add('/mails', 200, 2);
    await app.nest.close();
    expect((await readFile('var/analytics.ndjson', 'utf8')).split('\n')).toHaveLength(3);
  });
});
