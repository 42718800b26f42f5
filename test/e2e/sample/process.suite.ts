import { readdir } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { EXPRESS } from '../support/platforms.js';
import { now } from '../support/time.js';
import { useSample } from './sample-app.js';

describe('sample: process', () => {
  const sample = useSample(EXPRESS);

  it('keeps the client waiting for two seconds, or accepts many and does the same work', async () => {
    const { app } = sample();
    const startedAt = now();
    const waiting = sample().upload('/process-sync', 'an upload');
    const uploads = Array.from({ length: 10 }, () => sample().upload('/process-async', 'a file'));
    for (const reply of await Promise.all(uploads)) {
      expect(reply).toEqual({ status: 202, body: { accepted: 6 } });
    }
    expect(await waiting).toEqual({ status: 200, body: { processed: 9 } });
    expect(now() - startedAt).toBeGreaterThanOrEqual(1_990);
    await app.untilSettled(10);
    expect(app.names('completed')).toHaveLength(10);
    expect(await readdir('var/uploads')).toEqual([]);
  });
});
