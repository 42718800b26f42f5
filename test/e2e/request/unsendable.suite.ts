import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Background, StoreUnavailableError, type BackgroundTasks } from 'nestjs-background-tasks';
import { journal } from 'nestjs-background-tasks/journal';
import type { ServerResponse } from 'node:http';
import { ENGINE, type Engine } from '../../../lib/engine/engine.js';
import { onEachPlatform, type Platform } from '../support/platforms.js';
import { answering, routes } from '../support/routes.js';
import { sharedApp, startApp } from '../support/running-app.js';
import { Audit } from './kinds.js';

const addEach = (tasks: BackgroundTasks): void => {
  const { onSuccess, onFailure, onEither } = Audit.prototype;
  [onSuccess, onFailure, onEither].forEach((body) => void tasks.addTask(body));
};

/** What Node.js refuses to send: it learns of that when the tasks have been stored. */
const UNSENDABLE: Record<string, (response: ServerResponse) => void> = {
  '/header': (response) => response.writeHead(200, { 'X-File': '中.txt' }).end(),
  '/status': (response) => response.writeHead(99).end(),
  '/message': (response) => response.writeHead(200, 'not\nfine').end(),
  '/piece': (response) => void response.write(42),
  '/end': (response) => void response.end(42),
};

const controller = (platform: Platform) =>
  routes({
    ...Object.fromEntries(
      Object.entries(UNSENDABLE).map(([path, send]) => [
        `GET ${path}`,
        answering((tasks, response) => {
          addEach(tasks);
          send(platform.takeOver(response));
        }),
      ]),
    ),
    'GET /later': answering((tasks, response) => {
      addEach(tasks);
      const raw = platform.takeOver(response);
      raw.write('first');
      raw.write(42);
    }),
    'GET /reply': answering((tasks, response) => {
      addEach(tasks);
      // Fastify looks at headers no sooner than Node.js does.
      const { raw } = response;
      if (raw === undefined) {
        platform.takeOver(response).writeHead(200, { 'X-File': '中.txt' }).end();
      } else {
        (response as unknown as { header(name: string, value: string): void }).header(
          'X-File',
          '中.txt',
        );
        response.send({});
      }
    }),
  });

onEachPlatform((platform) => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'unsendable-'));
  });
  const app = sharedApp(() =>
    startApp(platform, {
      controllers: [controller(platform)],
      providers: [Audit],
      options: {
        queues: { default: { engine: journal({ path: join(folder, 'journal') }) }, local: {} },
      },
    }),
  );
  afterAll(() => rm(folder, { recursive: true }));

  it.each([...Object.keys(UNSENDABLE), '/reply'])(
    'P17: GET %s cannot be sent: it is a 500, takes its success tasks back and runs those for failure',
    async (path) => {
      expect((await app().request(path)).status).toBe(500);
      await app().untilSettled(3);
      expect(app().nest.get(Audit).done.splice(0).toSorted()).toEqual(['always', 'failure']);
      expect(app().names('dropped')).toEqual(['success']);
      expect(app().log.text).toContain(`GET ${path} could not be answered as intended`);
    },
  );

  it('P3: what breaks the body afterwards does not count', async () => {
    await Promise.allSettled([app().request('/later')]);
    await app().untilSettled(3);
    expect(app().nest.get(Audit).done.splice(0).toSorted()).toEqual(['always', 'success']);
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
    let folder: string;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'unsendable-'));
    });
    const app = sharedApp(() =>
      startApp(platform, {
        controllers: [
          routes({
            'GET /unsendable': answering((tasks, response) => {
              addMixed(tasks);
              platform.takeOver(response).writeHead(99).end();
            }),
            'GET /refused': (tasks) => addMixed(tasks),
          }),
        ],
        providers: [Work],
        options: {
          request: { onFailure },
          queues: { default: { engine: journal({ path: join(folder, 'journal') }) } },
        },
      }),
    );
    afterAll(() => rm(folder, { recursive: true }));

    it('P2, P17: the tasks of another answer than the first run in the order added', async () => {
      expect((await app().request('/unsendable')).status).toBe(500);
      await app().untilSettled(6);
      expect(app().nest.get(Work).done.splice(0)).toEqual(['a', 'c', 'd', 'e']);
    });

    it('P2, P17: so they do where the store has not taken those of the first', async () => {
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
