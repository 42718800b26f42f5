import { beforeEach, describe, expect, it } from '@jest/globals';
import { MailServer, type Mail } from '../../../sample/signup/mail-server.js';
import type { Reply } from '../support/client.js';
import { onEachPlatform } from '../support/platforms.js';
import type { RunningApp } from '../support/running-app.js';
import { startSample } from './start-sample.js';

const ADA = { email: 'ada@example.com', name: 'Ada' };

describe('sample: signup', () => {
  onEachPlatform((platform) => {
    let app: RunningApp;

    beforeEach(async () => {
      app = await startSample(platform);
    });

    const signUp = (body: object, query = ''): Promise<Reply> =>
      app.request(`/signup${query}`, { method: 'POST', body });

    const mails = async (): Promise<Mail[]> =>
      JSON.parse((await app.request('/mails')).body) as Mail[];

    it('registers, answers, and then sends a welcome mail', async () => {
      const reply = await signUp(ADA);
      expect(reply.status).toBe(201);
      expect(JSON.parse(reply.body)).toEqual({ id: expect.any(String), ...ADA });
      await app.untilSettled(1);
      expect(app.history.map(({ type, name }) => `${type} ${name}`)).toEqual([
        'added Mailer.sendWelcome',
        'queued Mailer.sendWelcome',
        'started Mailer.sendWelcome',
        'completed Mailer.sendWelcome',
      ]);
      const closedAt = await app.untilClosed('/signup');
      expect(app.history[2]?.at).toBeGreaterThanOrEqual(closedAt);
      const [mail, ...others] = await mails();
      expect(others).toEqual([]);
      expect(mail).toMatchObject({ from: 'welcome@example.com', to: [ADA.email] });
      expect(mail?.source).toContain('To: Ada <ada@example.com>');
      expect(mail?.source).toContain('Good to have you, Ada.');
    });

    it('sends the mail in the third attempt after the server has refused two', async () => {
      expect((await signUp(ADA, '?failures=2')).status).toBe(201);
      await app.untilSettled(1);
      expect(app.history.map(({ type }) => type).join(' ')).toBe(
        'added queued started retrying started retrying started completed',
      );
      expect(app.history.filter(({ type }) => type === 'retrying')).toMatchObject([
        { attempt: 1, error: { responseCode: 451 } },
        { attempt: 2, error: { responseCode: 451 } },
      ]);
      expect(await mails()).toHaveLength(1);
    });

    it('mails nobody whose registration is refused', async () => {
      expect((await signUp({ ...ADA, email: 'nobody' })).status).toBe(400);
      expect((await signUp({ email: ADA.email })).status).toBe(400);
      expect((await signUp(ADA, '?failures=two')).status).toBe(400);
      expect((await signUp(ADA)).status).toBe(201);
      expect((await signUp({ ...ADA, email: 'ADA@example.com' })).status).toBe(409);
      await app.untilSettled(1);
      expect(app.names('added')).toHaveLength(1);
      expect(await mails()).toHaveLength(1);
    });

    it('sends what is pending before it closes, and then closes its mail server', async () => {
      const mailServer = app.nest.get(MailServer);
      await signUp(ADA, '?failures=1');
      await app.nest.close();
      expect(app.settled).toMatchObject([{ type: 'completed', attempt: 2 }]);
      expect(mailServer.received).toHaveLength(1);
      expect(() => mailServer.port).toThrow('does not listen');
    });
  });
});
