import { describe, expect, it } from '@jest/globals';
import { onEachPlatform } from '../support/platforms.js';
import { outputOf } from '../support/child-app.js';
import { sharedApp, startApp } from '../support/running-app.js';
import { Audit, ENDINGS, EVERY_PLACE, type Ending } from './endings.js';

/** The tasks that must have run: of each place that of this result, and the one that always runs. */
function expectedOf({ places, status }: Ending): string[] {
  const result = status < 400 ? 'success' : 'failure';
  return places.flatMap((place) => [`${place}: ${result}`, `${place}: always`]);
}

onEachPlatform((platform) => {
  const app = sharedApp(() => startApp(platform, EVERY_PLACE));

  // A body of several pieces: its end comes in a turn of its own.
  const body = { padding: 'x'.repeat(90_000) };
  describe.each([
    ['a GET', { method: 'GET' }],
    ['a body to be parsed', { method: 'POST', body }],
  ])('with %s', (_, options) => {
    it.each(ENDINGS)(
      'P1, P3: tasks of every place run as the status decides when $ending',
      async (ending) => {
        const { ran } = app().nest.get(Audit);
        ran.length = 0;
        const reply = await app().request(ending.path, options);
        await app().untilClosed(ending.path);
        await app().untilAllSettled();

        expect(reply.status).toBe(ending.status);
        expect(ran).toEqual(expectedOf(ending));
        expect(await app().hasStartedAfter(ending.path)).toBe(true);
        // What did not run was dropped, each with its reason.
        const reason = ending.status < 400 ? 'request-succeeded' : 'request-failed';
        const dropped = app().settled.filter(({ type }) => type === 'dropped');
        expect(dropped).toEqual(ending.places.map(() => expect.objectContaining({ reason })));
      },
    );
  });
});

it('P3: requests injected into Fastify, without a socket, run the same tasks', async () => {
  const lines = (await outputOf('inject-endings.ts')).split('\n');
  const injected = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  expect(injected).toEqual(
    ENDINGS.map((each) => ({ ending: each.ending, status: each.status, ran: expectedOf(each) })),
  );
});
