import { readdir } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { boardPassword } from '../../../sample/board/board-password.js';
import type { Mail } from '../../../sample/signup/mail-server.js';
import type { Reply } from '../support/client.js';
import { EXPRESS, onEachPlatform } from '../support/platforms.js';
import { now } from '../support/time.js';
import { useSample } from './sample-app.js';

describe('sample', () => {
  const sample = useSample(EXPRESS);

  async function statusOf(path: string, body: object): Promise<number> {
    return (await sample().post(path, body)).status;
  }

  const addEvent = (path: string, status: number, durationMs: number): Promise<number> =>
    statusOf('/analytics/events', { path, status, durationMs });

  async function order(...lines: string[]): Promise<{ report?: unknown }> {
    const reply = await sample().post('/reports', { lines });
    expect(reply.status).toBe(202);
    await sample().app.untilSettled(3);
    return sample().getJson((JSON.parse(reply.body) as { status: string }).status);
  }

  describe('analytics', () => {
    it('writes a batch of single events at once', async () => {
      for (let number = 0; number < 20; number += 1) {
        expect(await addEvent('/users', number < 2 ? 500 : 200, number)).toBe(202);
      }
      await sample().app.untilSettled(20);
      const all: { writes: number; paths: unknown } = await sample().getJson('/analytics');
      // A batch is sent off after half a second.
      expect(all.writes).toBeLessThan(20);
      expect(all.paths).toEqual({ '/users': { requests: 20, errors: 2, meanMs: 9.5 } });
      expect((await sample().read('var/analytics.ndjson')).split('\n')).toHaveLength(21);
    });

    it('writes the events of an unfinished batch when it shuts down', async () => {
      await addEvent('/users', 200, 1);
      await addEvent('/mails', 200, 2);
      await sample().app.nest.close();
      expect((await sample().read('var/analytics.ndjson')).split('\n')).toHaveLength(3);
    });
  });

  it('mail: a password reset overtakes fifty pending newsletters', async () => {
    const { app } = sample();
    await app.runner.pause('mail');
    expect(await statusOf('/mail/newsletter', { issue: '11', recipients: 50 })).toBe(202);
    await app.untilSettled(1);
    expect(await sample().getJson('/mail')).toMatchObject({ pending: 50, sent: 0 });
    expect(await statusOf('/mail/password-reset', { email: 'ada@example.com' })).toBe(202);
    await app.untilSeen('queued', 'mail.passwordReset');
    await app.runner.resume('mail');
    await app.untilSettled(52);
    expect(await sample().getJson('/mail')).toEqual({ pending: 0, sent: 51, resetsAfter: [0] });
  });

  it('operations: health, metrics and the board tell how tasks are', async () => {
    const { app } = sample();
    await app.runner.addTask({ name: 'greeting' }, () => undefined).whenSettled();

    expect(await sample().getJson('/health')).toMatchObject({
      status: 'ok',
      info: { tasks: { status: 'up' } },
    });
    const metrics = await app.request('/metrics');
    expect(metrics.headers['content-type']).toMatch(/^text\/plain/);
    expect(metrics.body).toMatch(
      /^background_tasks_settled_total\{(?=.*status="completed")(?=.*queue="default").*task="greeting".*\} 1$/m,
    );
    expect(await app.request('/tasks/')).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="tasks"' },
    });
    const authorization = `Basic ${Buffer.from(`admin:${boardPassword}`).toString('base64')}`;
    const board = await app.request('/tasks/', { headers: { authorization } });
    expect(board.status).toBe(200);
    expect(board.body).toContain('<title>Background tasks</title>');
  });

  it('process: keeps the client waiting for two seconds, or accepts many and does the same work', async () => {
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

  describe('reports', () => {
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
      const reason = 'Line 2 is no sale: 2026-11-01,tea,cheap';
      expect(report).toMatchObject({
        steps: [
          { step: 'extract', status: 'completed' },
          { step: 'transform', status: 'failed', reason },
          { step: 'load', status: 'dropped' },
        ],
      });
      expect(report.report).toBeUndefined();
    });
  });

  // Retries, and mails that are sent before it closes: main.suite.ts.
  it('signup: mails those who register, and nobody whose registration is refused', async () => {
    const ada = { email: 'ada@example.com', name: 'Ada' };
    expect(await statusOf('/signup', { ...ada, email: 'nobody' })).toBe(400);
    expect(await statusOf('/signup', { email: ada.email })).toBe(400);
    expect(await statusOf('/signup?failures=two', ada)).toBe(400);
    expect(await statusOf('/signup', ada)).toBe(201);
    expect(await statusOf('/signup', { ...ada, email: 'ADA@example.com' })).toBe(409);
    await sample().app.untilSettled(1);
    expect(sample().app.names('added')).toHaveLength(1);
    const [mail, ...others]: Mail[] = await sample().getJson('/mails');
    expect(others).toEqual([]);
    expect(mail).toMatchObject({ from: 'welcome@example.com', to: [ada.email] });
    expect(mail?.source).toContain('To: Ada <ada@example.com>');
  });

  it('users: changes the status after the answer, and rolls back all that a failing task has written', async () => {
    const { app } = sample();
    const setStatus = (status: string): Promise<Reply> =>
      app.request('/users/1/status', { method: 'PATCH', body: { status } });
    expect((await setStatus('closed')).status).toBe(202);
    await app.untilSettled(1);
    await setStatus('active');
    expect(await app.untilSettled(2)).toMatchObject([
      { type: 'completed' },
      { type: 'failed', attempt: 1, error: { message: 'User 1 is closed, and stays so.' } },
    ]);
    expect(await sample().getJson('/users/1')).toMatchObject({
      name: 'Ada',
      status: 'closed',
      history: [{ from: 'active', to: 'closed' }],
    });
  });
});

/** FastAPI's tutorial, and its own tests of background tasks. */
describe('sample: notifications', () => {
  onEachPlatform((platform) => {
    const sample = useSample(platform);

    // With addresses as they should be: main.suite.ts.
    it('P1, P2, O23: answers first, then writes a line for the guard and the handler, whatever is in the address', async () => {
      const { app } = sample();
      const lines = encodeURIComponent('a@example.com\nnotification for root\u2028\u001b[2J');
      const path = `/send-notification/${lines}?q=${lines}`;
      const reply = await sample().post(path);
      expect(reply.status).toBe(200);
      expect(JSON.parse(reply.body)).toEqual({ message: 'Notification sent in the background' });
      await app.untilAllSettled();
      expect(await app.hasStartedAfter(path)).toBe(true);
      const forged = 'a@example.com%0Anotification for root%E2%80%A8%1B[2J';
      expect(await sample().read('log.txt')).toBe(
        `found query: ${forged}\nnotification for ${forged}: some notification\n`,
      );
    });
  });
});
