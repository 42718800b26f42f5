import { describe, expect, it } from '@jest/globals';
import { MailServer, type Mail } from '../../../sample/signup/mail-server.js';
import { EXPRESS } from '../support/platforms.js';
import { useSample } from './sample-app.js';

const ADA = { email: 'ada@example.com', name: 'Ada' };

describe('sample: signup', () => {
  const sample = useSample(EXPRESS);
  const signUp = async (body: object, query = ''): Promise<number> =>
    (await sample().post(`/signup${query}`, body)).status;
  const mails = (): Promise<Mail[]> => sample().getJson('/mails');

  it('answers, and sends the mail in the third attempt after the server has refused two', async () => {
    const { app } = sample();
    expect(await signUp(ADA, '?failures=2')).toBe(201);
    await app.untilSettled(1);
    expect(app.events.map(({ type }) => type).join(' ')).toBe(
      'added queued started retrying started retrying started completed',
    );
    expect(app.events.filter(({ type }) => type === 'retrying')).toMatchObject([
      { attempt: 1, error: { responseCode: 451 } },
      { attempt: 2, error: { responseCode: 451 } },
    ]);
    const [mail, ...others] = await mails();
    expect(others).toEqual([]);
    expect(mail).toMatchObject({ from: 'welcome@example.com', to: [ADA.email] });
    expect(mail?.source).toContain('To: Ada <ada@example.com>');
    expect(mail?.source).toContain('Good to have you, Ada.');
  });

  it('mails nobody whose registration is refused', async () => {
    expect(await signUp({ ...ADA, email: 'nobody' })).toBe(400);
    expect(await signUp({ email: ADA.email })).toBe(400);
    expect(await signUp(ADA, '?failures=two')).toBe(400);
    expect(await signUp(ADA)).toBe(201);
    expect(await signUp({ ...ADA, email: 'ADA@example.com' })).toBe(409);
    await sample().app.untilSettled(1);
    expect(sample().app.names('added')).toHaveLength(1);
    expect(await mails()).toHaveLength(1);
  });

  it('sends what is pending before it closes, and then closes its mail server', async () => {
    const { app } = sample();
    const mailServer = app.nest.get(MailServer);
    await signUp(ADA, '?failures=1');
    await app.nest.close();
    expect(app.settled).toMatchObject([{ type: 'completed', attempt: 2 }]);
    expect(mailServer.received).toHaveLength(1);
    expect(() => mailServer.port).toThrow('does not listen');
  });
});
