import { beforeAll, describe, expect, it } from '@jest/globals';
import supertest from 'supertest';
import { Audit, ENDINGS, EVERY_PLACE, type Ending } from './support/every-place.js';
import { onEachPlatform } from './support/platforms.js';
import { runProcess } from './support/process.js';
import { startApp, startTestApp, type RunningApp } from './support/running-app.js';

/** What must have run: of each place the task of this result, and the one that always runs. */
function expectedOf({ places, result }: Ending): string[] {
  return places.flatMap((place) => [`${place}: ${result}`, `${place}: always`]);
}

async function untilAllSettled(app: RunningApp): Promise<string[]> {
  await app.untilSettled(app.names('added').length);
  return app.nest.get(Audit).ran;
}

describe('in an application', () => {
  onEachPlatform((platform) => {
    it.each(ENDINGS)('P3: runs what was to run when $ending', async (ending) => {
      const app = await startApp(platform, EVERY_PLACE);

      const reply = await app.request(ending.path);
      await app.untilClosed(ending.path);
      const ran = await untilAllSettled(app);

      expect(reply.status).toBe(ending.status);
      expect(ran).toEqual(expectedOf(ending));
      // What did not run was dropped, each with its reason.
      const reason = ending.result === 'success' ? 'handler-completed' : 'handler-failed';
      const dropped = app.settled.filter(({ type }) => type === 'dropped');
      expect(dropped).toHaveLength(ending.places.length);
      expect(dropped).toEqual(dropped.map(() => expect.objectContaining({ reason })));
    });
  });
});

describe('with a body to be parsed', () => {
  onEachPlatform((platform) => {
    it.each(ENDINGS.filter(({ path }) => path.startsWith('/endings/')))(
      'P3: runs what was to run when $ending',
      async (ending) => {
        const app = await startApp(platform, EVERY_PLACE);

        // Of several pieces: its end comes in a turn of its own.
        const body = { padding: 'x'.repeat(90_000) };
        const reply = await app.request(ending.path, { method: 'POST', body });

        expect(reply.status).toBe(ending.status);
        expect(await untilAllSettled(app)).toEqual(expectedOf(ending));
      },
    );
  });
});

describe('in a test module, through supertest', () => {
  onEachPlatform((platform) => {
    it.each(ENDINGS)('P3: runs what was to run when $ending', async (ending) => {
      const app = await startTestApp(platform, EVERY_PLACE);

      await supertest(app.nest.getHttpServer()).get(ending.path).expect(ending.status);
      await app.untilClosed(ending.path);

      expect(await untilAllSettled(app)).toEqual(expectedOf(ending));
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
    const { code, output, errors } = await runProcess('inject-endings.ts');
    if (code !== 0) {
      throw new Error(errors);
    }
    injected = output
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
