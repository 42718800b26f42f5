import { beforeAll, describe, expect, it } from '@jest/globals';
import { onEachPlatform } from '../support/platforms.js';
import { outputOf } from '../support/child-app.js';
import { sharedApp, startApp } from '../support/running-app.js';
import { Audit, ENDINGS, EVERY_PLACE, type Ending } from './endings.js';

/** What must have run: of each place the task of this result, and the one that always runs. */
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
    it.each(ENDINGS)('P1, P3: runs what was to run when $ending', async (ending) => {
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
    });
  });
});

describe('injected into Fastify, without a socket', () => {
  interface Injected {
    readonly ending: string;
    readonly status: number;
    readonly ran: readonly string[];
  }

  let injected: readonly Injected[] = [];

  beforeAll(async () => {
    injected = (await outputOf('inject-endings.ts'))
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Injected);
  });

  it.each(ENDINGS)('P3: runs what was to run when $ending', (ending) => {
    const { status, ran } = injected.find((each) => each.ending === ending.ending) ?? {};
    expect(status).toBe(ending.status);
    expect(ran).toEqual(expectedOf(ending));
  });
});
