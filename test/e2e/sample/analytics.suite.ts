import { describe, expect, it } from '@jest/globals';
import type { Reply } from '../support/client.js';
import { EXPRESS } from '../support/platforms.js';
import { useSample } from './sample-app.js';

describe('sample: analytics', () => {
  const sample = useSample(EXPRESS);
  const add = (path: string, status: number, durationMs: number): Promise<Reply> =>
    sample().post('/analytics/events', { path, status, durationMs });

  it('writes a batch of single events at once', async () => {
    for (let number = 0; number < 100; number += 1) {
      expect((await add('/users', number < 10 ? 500 : 200, number)).status).toBe(202);
    }
    const { app } = sample();
    await app.untilSettled(100);
    expect(app.names('completed')).toHaveLength(100);
    const all: { writes: number; paths: unknown } = await sample().getJson('/analytics');
    // A hundred fill a batch; a slow machine sends one off earlier, after half a second.
    expect(all.writes).toBeLessThan(100);
    expect(all.paths).toEqual({ '/users': { requests: 100, errors: 10, meanMs: 49.5 } });
    expect((await sample().read('var/analytics.ndjson')).split('\n')).toHaveLength(101);
  });

  it('writes what has been gathered when it shuts down', async () => {
    await add('/users', 200, 1);
    await add('/mails', 200, 2);
    await sample().app.nest.close();
    expect((await sample().read('var/analytics.ndjson')).split('\n')).toHaveLength(3);
  });
});
