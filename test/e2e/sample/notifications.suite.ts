import { describe, expect, it } from '@jest/globals';
import { onEachPlatform } from '../support/platforms.js';
import { useSample } from './sample-app.js';

/** FastAPI's tutorial, and its own tests of background tasks. */
describe('sample: notifications', () => {
  onEachPlatform((platform) => {
    const sample = useSample(platform);

    it.each([
      ['', 'notification for foo@example.com: some notification\n'],
      [
        '?q=some-query',
        'found query: some-query\nnotification for foo@example.com: some notification\n',
      ],
    ])(
      "P1, P2: answers first, then writes the guard's line and the handler's, in the order added: %j",
      async (query, log) => {
        const { app } = sample();
        const reply = await sample().post(`/send-notification/foo@example.com${query}`);
        expect(reply.status).toBe(200);
        expect(JSON.parse(reply.body)).toEqual({ message: 'Notification sent in the background' });
        await app.untilAllSettled();
        expect(await app.hasStartedAfter(`/send-notification/foo@example.com${query}`)).toBe(true);
        expect(await sample().read('log.txt')).toBe(log);
      },
    );

    it('O23: writes a line for each notification, whatever is in the address', async () => {
      const lines = encodeURIComponent('a@example.com\nnotification for root\u2028\u001b[2J');
      await sample().post(`/send-notification/${lines}?q=${lines}`);
      await sample().app.untilSettled(2);
      const forged = 'a@example.com%0Anotification for root%E2%80%A8%1B[2J';
      expect(await sample().read('log.txt')).toBe(
        `found query: ${forged}\nnotification for ${forged}: some notification\n`,
      );
    });
  });
});
