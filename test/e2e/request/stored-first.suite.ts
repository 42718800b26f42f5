import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Catch, type ArgumentsHost } from '@nestjs/common';
import { APP_FILTER, BaseExceptionFilter } from '@nestjs/core';
import { journal } from 'nestjs-background-tasks/journal';
import { ENGINE, type Engine } from '../../../lib/engine/engine.js';
import { StoreUnavailableError } from '../../../lib/index.js';
import { RawConnection, send } from '../support/client.js';
import { NEST_MAJOR } from '../support/nest-major.js';
import { onEachPlatform } from '../support/platforms.js';
import { routes } from '../support/routes.js';
import { sharedApp, startApp } from '../support/running-app.js';
import { Gate, turns } from '../support/time.js';
import { WHENS } from '../support/whens.js';
import { Audit, KINDS, kindsController } from './kinds.js';

const seen: unknown[] = [];

@Catch()
class Watching extends BaseExceptionFilter {
  override catch(error: unknown, host: ArgumentsHost): void {
    seen.push(error);
    // oxlint-disable-next-line promise/valid-params, promise/no-promise-in-callback -- It is a filter.
    super.catch(error, host);
  }
}

const more = { gate: new Gate() };
const later = routes({
  'GET /later': async function* body(tasks) {
    yield 'begin ';
    tasks.addTask(Audit.prototype.onSuccess, 'later');
    yield 'end';
    await more.gate.opened;
  },
});

/** Sent by a raw connection, and answered by the platform when its tasks are stored. */
const STORED = KINDS.filter(([asked]) => asked.startsWith('GET') && !/late|breaks|304/.test(asked));
const isStreamed = ([asked]: readonly [string, ...unknown[]]): boolean =>
  /json|text|file|events$|generator$|raw$/.test(asked);
const REFUSED = STORED.filter(([asked, status]) => status < 400 && isStreamed([asked]));

onEachPlatform((platform) => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stored-first-'));
  });
  const app = sharedApp(() =>
    startApp(platform, {
      controllers: [kindsController(platform), later],
      providers: [Audit, { provide: APP_FILTER, useClass: Watching }],
      options: {
        queues: { default: { engine: journal({ path: join(folder, 'journal') }) }, local: {} },
      },
    }),
  );
  afterAll(() => rm(folder, { recursive: true }));

  const audit = (): Audit => app().nest.get(Audit);
  const engine = (): Engine => app().nest.get<Engine>(ENGINE);

  it.each(STORED)(
    'P17, D20: %s is stored before its first byte leaves',
    async (asked, status, body, ran) => {
      const [, path = ''] = asked.split(' ');
      const go = new Gate();
      const commit = engine().commit.bind(engine());
      const committing = jest.spyOn(engine(), 'commit').mockImplementation(async (...args) => {
        await go.opened;
        return commit(...args);
      });
      const connection = await RawConnection.open(app().port);
      connection.get(path);
      await app().untilSeen('added', ...WHENS);
      await app().request('/nowhere');
      await turns(3);
      expect([connection.received, committing.mock.calls.length]).toEqual(['', 1]);
      go.open();
      await connection.untilReceived(`HTTP/1.1 ${status}`);
      connection.destroy();
      await app().untilSettled(3);
      // Of two engines neither waits for the other.
      expect(audit().done.splice(0).toSorted()).toEqual(ran.toSorted());
      committing.mockRestore();
      expect(await send(app().port, path)).toMatchObject({ status, body });
      await app().untilSettled(6);
      audit().done.length = 0;
    },
  );

  // Nest 11 knows no handlers that are generators.
  (NEST_MAJOR < 12 ? describe.skip : describe)('of a generator', () => {
    it('P17: what is added while a body is sent is stored at once, and runs when it is over', async () => {
      more.gate = new Gate();
      const commit = jest.spyOn(engine(), 'commit');
      const connection = await RawConnection.open(app().port);
      connection.get('/later');
      await connection.untilReceived('end');
      expect(commit.mock.calls.map(([[head], isHeld]) => [head?.name, isHeld])).toEqual([
        ['success', true],
      ]);
      commit.mockRestore();
      expect(audit().done).toEqual([]);
      more.gate.open();
      await app().untilSettled(1);
      expect(audit().done.splice(0)).toEqual(['later']);
      connection.destroy();
    });
  });

  describe('P17: where the store takes nothing', () => {
    it.each(REFUSED)(
      '%s is a 503 that says when to come back, and nothing else of it leaves',
      async (asked, status) => {
        const [, path = ''] = asked.split(' ');
        seen.length = 0;
        const down = new StoreUnavailableError('The journal');
        const commit = jest.spyOn(engine(), 'commit').mockRejectedValueOnce(down);
        const refusal = await send(app().port, path);
        expect(refusal).toMatchObject({
          status: 503,
          headers: {
            'retry-after': '1',
            'content-type': expect.stringMatching(/^application\/json/),
          },
        });
        expect(refusal.headers['cache-control']).toBeUndefined();
        expect(JSON.parse(refusal.body)).toMatchObject({ statusCode: 503 });
        expect(seen).toEqual(platform.name === 'Fastify' && path === '/raw' ? [] : [down]);
        await app().untilSettled(3);
        // What always runs was refused with the rest.
        expect(audit().done.splice(0)).toEqual(['failure']);
        expect(app().names('dropped').toSorted()).toEqual(['always', 'success']);
        commit.mockRestore();
        // The connection is good for the next one.
        expect((await app().request(path)).status).toBe(status);
        await app().untilSettled(6);
        audit().done.length = 0;
      },
    );
  });
});
