import { describe, expect, it, jest } from '@jest/globals';
import { Catch, Header, Injectable, type ArgumentsHost, type Type } from '@nestjs/common';
import { APP_FILTER, BaseExceptionFilter } from '@nestjs/core';
import { Background, StoreUnavailableError, type BackgroundTasks } from 'nestjs-background-tasks';
import { journal } from 'nestjs-background-tasks/journal';
import type { ServerResponse } from 'node:http';
import { ENGINE, type Engine } from '../../../lib/engine/engine.js';
import { RawConnection, send } from '../support/client.js';
import { NEST_MAJOR } from '../support/nest-major.js';
import { onEachPlatform, type Platform } from '../support/platforms.js';
import { answering, routes } from '../support/routes.js';
import { sharedApp, startApp } from '../support/running-app.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { Gate, turns } from '../support/time.js';
import { WHENS } from '../support/whens.js';
import { add, adding, Audit, KINDS, kindsController } from './kinds.js';

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

/** What Node.js refuses to send, which it says when the tasks have been stored. */
const UNSENDABLE: Record<string, (response: ServerResponse) => void> = {
  '/header': (response) => response.writeHead(200, { 'X-File': '中.txt' }).end(),
  '/message': (response) => response.writeHead(200, 'not\nfine').end(),
  '/piece': (response) => void response.write(42),
  '/end': (response) => void response.end(42),
  '/second-piece': (response) => {
    response.write('first');
    response.write(42);
  },
};

function unsendable(platform: Platform): Type {
  const sending = Object.entries(UNSENDABLE).map(([path, act]) => [
    `GET ${path}`,
    answering((tasks, response) => {
      add(tasks);
      act(platform.takeOver(response));
    }),
  ]);
  return routes({
    ...Object.fromEntries(sending),
    'GET /reply': [adding({}), Header('X-File', '中.txt')],
  });
}

/** Sent by a raw connection, and answered by the platform when its tasks are stored. */
const STORED = KINDS.filter(([asked]) => asked.startsWith('GET') && !/late|breaks|304/.test(asked));
const isStreamed = ([asked]: readonly [string, ...unknown[]]): boolean =>
  /json|text|file|events$|generator$|raw$/.test(asked);
const REFUSED = STORED.filter(([asked, status]) => status < 400 && isStreamed([asked]));

onEachPlatform((platform) => {
  const app = sharedApp(async () => {
    const engine = journal({ path: await temporaryFolder() });
    return startApp(platform, {
      controllers: [kindsController(platform), later, unsendable(platform)],
      providers: [Audit, { provide: APP_FILTER, useClass: Watching }],
      options: { queues: { default: { engine }, local: {} } },
    });
  });

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

  // Fastify looks at headers no sooner than Node.js does; with Express nobody answers such a route.
  const replies = platform.name === 'Fastify' ? ['/reply'] : [];
  it.each(['/header', '/message', '/piece', '/end', ...replies])(
    'P17: GET %s cannot be sent: it is a 500, takes its success tasks back and runs those for failure',
    async (path) => {
      expect((await app().request(path)).status).toBe(500);
      await app().untilSettled(3);
      expect(audit().done.splice(0).toSorted()).toEqual(['always', 'failure']);
      expect(app().names('dropped')).toEqual(['success']);
      expect(app().log.text).toContain(`GET ${path} could not be answered as intended`);
    },
  );

  it('P3: an error that breaks the body afterwards does not count', async () => {
    await Promise.allSettled([app().request('/second-piece')]);
    await app().untilSettled(3);
    expect(audit().done.splice(0).toSorted()).toEqual(['always', 'success']);
    expect(app().names('dropped')).toEqual(['failure']);
  });
});

@Injectable()
class Work {
  readonly done: string[] = [];

  @Background()
  async success(name: string): Promise<void> {
    this.done.push(name);
  }

  @Background({ when: 'failure' })
  async failure(name: string): Promise<void> {
    this.done.push(name);
  }

  @Background({ when: 'always' })
  async always(name: string): Promise<void> {
    this.done.push(name);
  }
}

const addMixed = (tasks: BackgroundTasks): void => {
  const { success, failure, always } = Work.prototype;
  tasks.addTask(failure, 'a');
  tasks.addTask(success, 'b');
  tasks.addTask(always, 'c');
  tasks.addTask(failure, 'd');
  tasks.addTask(always, 'e');
  tasks.addTask(success, 'f');
};

onEachPlatform((platform) => {
  describe.each(['continue', 'stop'] as const)('onFailure: %p', (onFailure) => {
    const app = sharedApp(async () => {
      const engine = journal({ path: await temporaryFolder() });
      const controller = routes({
        'GET /unsendable': answering((tasks, response) => {
          addMixed(tasks);
          platform.takeOver(response).writeHead(99).end();
        }),
        'GET /refused': (tasks) => addMixed(tasks),
      });
      return startApp(platform, {
        controllers: [controller],
        providers: [Work],
        options: { request: { onFailure }, queues: { default: { engine } } },
      });
    });

    it('P2, P17: the tasks of another answer than the first run in the order added', async () => {
      expect((await app().request('/unsendable')).status).toBe(500);
      await app().untilSettled(6);
      expect(app().nest.get(Work).done.splice(0)).toEqual(['a', 'c', 'd', 'e']);
    });

    it('P2, P17: the tasks of a refusal run in the order added where the store has not taken the first', async () => {
      const commit = jest
        .spyOn(app().nest.get<Engine>(ENGINE), 'commit')
        .mockRejectedValueOnce(new StoreUnavailableError('The journal'));
      expect((await app().request('/refused')).status).toBe(503);
      await app().untilSettled(6);
      expect(app().nest.get(Work).done.splice(0)).toEqual(['a', 'd']);
      commit.mockRestore();
    });
  });
});
