import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Reply } from '../support/client.js';
import { EXPRESS } from '../support/platforms.js';
import type { RunningApp } from '../support/running-app.js';
import { getJson } from './requests.js';
import { startSample } from './start-sample.js';

describe('sample: users', () => {
  let app: RunningApp;

  beforeEach(async () => {
    app = await startSample(EXPRESS);
  });

  const setStatus = (id: number | string, status: string): Promise<Reply> =>
    app.request(`/users/${id}/status`, { method: 'PATCH', body: { status } });

  it('changes the status in the database after the answer, and keeps the history', async () => {
    expect((await setStatus(1, 'suspended')).status).toBe(202);
    await app.untilSettled(1);
    expect(await getJson(app, '/users/1')).toMatchObject({
      name: 'Ada',
      status: 'suspended',
      history: [{ from: 'active', to: 'suspended' }],
    });
  });

  it('rolls back all that a failing task has written', async () => {
    await setStatus(1, 'closed');
    await app.untilSettled(1);
    await setStatus(1, 'active');
    expect(await app.untilSettled(2)).toMatchObject([
      { type: 'completed' },
      { type: 'failed', attempt: 1, error: { message: 'User 1 is closed, and stays so.' } },
    ]);
    expect(await getJson(app, '/users/1')).toMatchObject({
      status: 'closed',
      history: [{ from: 'active', to: 'closed' }],
    });
  });

  it('keeps many transactions apart', async () => {
    const changes = Array.from({ length: 20 }, (_, index) =>
      setStatus((index % 2) + 1, index % 4 < 2 ? 'suspended' : 'active'),
    );
    await Promise.all(changes);
    await app.untilSettled(20);
    expect(app.names('completed')).toHaveLength(20);
    const histories = await Promise.all(
      [1, 2].map((id): Promise<{ history: unknown[] }> => getJson(app, `/users/${id}`)),
    );
    expect(histories.map(({ history }) => history.length)).toEqual([10, 10]);
  });
});
