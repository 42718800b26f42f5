import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Reply } from '../support/client.js';
import { onEachPlatform } from '../support/platforms.js';
import type { RunningApp } from '../support/running-app.js';
import { startSample } from './start-sample.js';

describe('sample: notifications', () => {
  const home = process.cwd();
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'notifications-'));
    process.chdir(directory);
  });

  afterEach(async () => {
    process.chdir(home);
    await rm(directory, { recursive: true });
  });

  const log = (): Promise<string> => readFile(join(directory, 'log.txt'), 'utf8');

  onEachPlatform((platform) => {
    let app: RunningApp;

    beforeEach(async () => {
      app = await startSample(platform);
    });

    const post = (path: string): Promise<Reply> => app.request(path, { method: 'POST' });

    it('answers first, then appends the line', async () => {
      const reply = await post('/send-notification/foo@example.com');
      expect(reply.status).toBe(200);
      expect(JSON.parse(reply.body)).toEqual({ message: 'Notification sent in the background' });
      await app.untilSettled(1);
      expect(app.history.map(({ type, name }) => `${type} ${name}`)).toEqual([
        'added writeNotification',
        'queued writeNotification',
        'started writeNotification',
        'completed writeNotification',
      ]);
      const closedAt = await app.untilClosed('/send-notification/foo@example.com');
      expect(app.history[2]?.at).toBeGreaterThanOrEqual(closedAt);
      expect(await log()).toBe('notification for foo@example.com: some notification\n');
    });

    it("merges the guard's task and the handler's, in the order added", async () => {
      const reply = await post('/send-notification/foo@example.com?q=some-query');
      expect(reply.status).toBe(200);
      expect(JSON.parse(reply.body)).toEqual({ message: 'Notification sent in the background' });
      await app.untilSettled(2);
      expect(await log()).toBe(
        'found query: some-query\nnotification for foo@example.com: some notification\n',
      );
    });

    it('O23: writes a line for each notification, whatever is in the address', async () => {
      const lines = encodeURIComponent('a@example.com\nnotification for root\u2028\u001b[2J');
      await post(`/send-notification/${lines}?q=${lines}`);
      await app.untilSettled(2);
      const forged = 'a@example.com%0Anotification for root%E2%80%A8%1B[2J';
      expect(await log()).toBe(
        `found query: ${forged}\nnotification for ${forged}: some notification\n`,
      );
    });
  });
});
