import { describe, expect, it } from '@jest/globals';
import type { Reply } from '../support/client.js';
import { EXPRESS } from '../support/platforms.js';
import { useSample } from './sample-app.js';

describe('sample: users', () => {
  const sample = useSample(EXPRESS);
  const setStatus = (id: number, status: string): Promise<Reply> =>
    sample().app.request(`/users/${id}/status`, { method: 'PATCH', body: { status } });

  it('changes the status after the answer, and rolls back all that a failing task has written', async () => {
    expect((await setStatus(1, 'closed')).status).toBe(202);
    await sample().app.untilSettled(1);
    await setStatus(1, 'active');
    expect(await sample().app.untilSettled(2)).toMatchObject([
      { type: 'completed' },
      { type: 'failed', attempt: 1, error: { message: 'User 1 is closed, and stays so.' } },
    ]);
    expect(await sample().getJson('/users/1')).toMatchObject({
      name: 'Ada',
      status: 'closed',
      history: [{ from: 'active', to: 'closed' }],
    });
  });

  it('keeps many transactions apart', async () => {
    const changes = Array.from({ length: 20 }, (_, index) =>
      setStatus((index % 2) + 1, index % 4 < 2 ? 'suspended' : 'active'),
    );
    await Promise.all(changes);
    await sample().app.untilSettled(20);
    expect(sample().app.names('completed')).toHaveLength(20);
    for (const id of [1, 2]) {
      const { history }: { history: unknown[] } = await sample().getJson(`/users/${id}`);
      expect(history).toHaveLength(10);
    }
  });
});
