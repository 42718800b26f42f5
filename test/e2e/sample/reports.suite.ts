import { beforeEach, describe, expect, it } from '@jest/globals';
import { EXPRESS } from '../support/platforms.js';
import type { RunningApp } from '../support/running-app.js';
import { bodyOf, getJson } from './requests.js';
import { startSample } from './start-sample.js';
import { useWorkingDirectory } from './working-directory.js';

describe('sample: reports', () => {
  useWorkingDirectory();

  let app: RunningApp;

  beforeEach(async () => {
    app = await startSample(EXPRESS);
  });

  const order = async (...lines: string[]): Promise<string> => {
    const reply = await app.request('/reports', { method: 'POST', body: { lines } });
    expect(reply.status).toBe(202);
    const { status }: { status: string } = bodyOf(reply);
    return status;
  };

  it('extracts, transforms and loads, in this order', async () => {
    const path = await order(
      '2026-11-01,tea,2.50',
      '2026-11-01,fruit cake,3.10',
      '2026-11-02,tea,0.05',
    );
    await app.untilSettled(3);
    expect(app.names('completed')).toEqual(['extract', 'transform', 'load']);
    expect(await getJson(app, path)).toMatchObject({
      steps: [{ status: 'completed' }, { status: 'completed' }, { status: 'completed' }],
      report: [
        { product: 'tea', total: 2.55 },
        { product: 'fruit cake', total: 3.1 },
      ],
    });
  });

  it('loads nothing where the second step fails, and says which line it was', async () => {
    const path = await order('2026-11-01,tea,2.50', '2026-11-01,tea,cheap');
    await app.untilSettled(3);
    const report: { report?: unknown } = await getJson(app, path);
    expect(report).toMatchObject({
      steps: [
        { step: 'extract', status: 'completed' },
        {
          step: 'transform',
          status: 'failed',
          reason: 'Line 2 is no sale: 2026-11-01,tea,cheap',
        },
        { step: 'load', status: 'dropped' },
      ],
    });
    expect(report.report).toBeUndefined();
    expect(app.settled.at(-1)).toMatchObject({ type: 'dropped', reason: 'predecessor-failed' });
  });
});
