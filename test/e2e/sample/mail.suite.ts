import { describe, expect, it } from '@jest/globals';
import { EXPRESS } from '../support/platforms.js';
import { useSample } from './sample-app.js';

describe('sample: mail', () => {
  const sample = useSample(EXPRESS);

  it('lets a password reset overtake two hundred pending newsletters', async () => {
    const { app } = sample();
    await app.runner.pause('mail');
    const newsletter = await sample().post('/mail/newsletter', { issue: '11', recipients: 200 });
    expect(newsletter.status).toBe(202);
    await app.untilSettled(1);
    expect(await sample().getJson('/mail')).toMatchObject({ pending: 200, sent: 0 });
    const reset = await sample().post('/mail/password-reset', { email: 'ada@example.com' });
    expect(reset.status).toBe(202);
    await app.untilSeen('queued', 'mail.passwordReset');
    await app.runner.resume('mail');
    await app.untilSettled(202);
    expect(await sample().getJson('/mail')).toEqual({ pending: 0, sent: 201, resetsAfter: [0] });
  });
});
