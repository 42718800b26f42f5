import { describe, expect, it } from '@jest/globals';
import { EXPRESS } from '../support/platforms.js';
import { useSample } from './sample-app.js';

describe('sample: reports', () => {
  const sample = useSample(EXPRESS);

  async function order(...lines: string[]): Promise<{ report?: unknown }> {
    const reply = await sample().post('/reports', { lines });
    expect(reply.status).toBe(202);
    await sample().app.untilSettled(3);
    return sample().getJson((JSON.parse(reply.body) as { status: string }).status);
  }

  it('extracts, transforms and loads, in this order', async () => {
    expect(
      await order('2026-11-01,tea,2.50', '2026-11-01,fruit cake,3.10', '2026-11-02,tea,0.05'),
    ).toMatchObject({
      steps: [{ status: 'completed' }, { status: 'completed' }, { status: 'completed' }],
      report: [
        { product: 'tea', total: 2.55 },
        { product: 'fruit cake', total: 3.1 },
      ],
    });
    expect(sample().app.names('completed')).toEqual(['extract', 'transform', 'load']);
  });

  it('loads nothing where the second step fails, and says which line it was', async () => {
    const report = await order('2026-11-01,tea,2.50', '2026-11-01,tea,cheap');
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
  });
});
