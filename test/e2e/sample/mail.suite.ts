import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Reply } from '../support/client.js';
import { EXPRESS } from '../support/platforms.js';
import type { RunningApp } from '../support/running-app.js';
import { getJson } from './requests.js';
import { startSample } from './start-sample.js';

describe('sample: mail', () => {
  let app: RunningApp;

  beforeEach(async () => {
    app = await startSample(EXPRESS);
  });

  const post = (path: string, body: object): Promise<Reply> =>
    app.request(path, { method: 'POST', body });

  it('lets a password reset overtake a thousand pending newsletters', async () => {
    await app.runner.pause('mail');
    const newsletter = await post('/mail/newsletter', { issue: 'November', recipients: 1_000 });
    expect(newsletter.status).toBe(202);
    await app.untilSettled(1);
    expect(await getJson(app, '/mail')).toMatchObject({ pending: 1_000, sent: 0 });
    expect((await post('/mail/password-reset', { email: 'ada@example.com' })).status).toBe(202);
    await app.untilSeen('queued', 'mail.passwordReset');
    await app.runner.resume('mail');
    await app.untilSettled(1_002);
    expect(await getJson(app, '/mail')).toEqual({
      pending: 0,
      sent: 1_001,
      resetsAfter: [0],
    });
  });
});
