/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { PassThrough } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Header, StreamableFile } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type BackgroundTasksOptions, type TaskEvent, TaskRunner } from 'nestjs-background-tasks';
import { bullmq, type BullMQOptions } from 'nestjs-background-tasks/bullmq';
import { eventually } from '../../support/eventually.js';
import type { TestServer } from '../../support/servers.js';
import { open } from '../support/client.js';
import { LogBook } from '../../support/log-book.js';
import { answering, rawOf, routes, type AnyResponse } from '../support/routes.js';
import { rootModule, Work } from './app.js';
import { TestStore } from './store.js';

const { note, fail, wait } = Work.prototype;
const unique = { dedupe: { key: 'x' } };
/** What a test does with the response that is open. */
let opened: AnyResponse | undefined;
let addLate: (() => void) | undefined;

const text = Header('content-type', 'text/plain');
const hold = (response: AnyResponse): void => {
  rawOf(response).write('begin ');
  opened = response;
};

const Requests = routes({
  'POST /note/:text': (tasks, { params }) => void tasks.addTask(note, params['text'] ?? ''),
  'POST /three': (tasks) => {
    tasks.addTask({ retry: false }, fail, 'one', 1);
    tasks.addTask({ queue: 'other' }, note, 'two');
    tasks.addTask(note, 'three');
  },
  'POST /unique': (tasks) => {
    tasks.addTask(unique, wait, 'unique');
    tasks.addTask(note, 'behind it');
  },
  'POST /failure-only': (tasks) => void tasks.addTask({ when: 'failure' }, note, 'on failure'),
  'GET /slow': [
    answering((tasks, response) => {
      tasks.addTask(note, 'after slow');
      hold(response);
    }),
    text,
  ],
  'GET /slow-unique': [
    answering((tasks, response) => {
      tasks.addTask(unique, wait, 'unique');
      tasks.addTask(note, 'after slow');
      hold(response);
    }),
    text,
  ],
  // Its head is sent when its handler has ended, and what that added is stored.
  'GET /late': (tasks) => {
    tasks.addTask(note, 'early');
    const body = new PassThrough();
    body.write('begin ');
    addLate = () => {
      tasks.addTask(note, 'late');
      body.end('end');
    };
    return new StreamableFile(body);
  },
});

/** What a durable engine promises to those who send requests. */
export function requestsSuite(makeServer: () => Promise<TestServer>): void {
  const store = new TestStore(makeServer);

  async function start(
    bull: Partial<BullMQOptions> = {},
    options: BackgroundTasksOptions = {},
    isUp = true,
  ) {
    const log = new LogBook();
    const root = rootModule(
      { connection: store.url, prefix: store.prefix, ...bull },
      { queues: { other: {} }, ...options },
      [Work],
      [Requests],
    );
    const app = store.closing(await NestFactory.create(root, { logger: log }));
    await app.listen(0, '127.0.0.1');
    const tasks = app.get(TaskRunner);
    const types: TaskEvent['type'][] = [];
    tasks.events.subscribe(({ type }) => types.push(type));
    if (isUp) {
      // PostgreSQL gets its schema first.
      await eventually(() => tasks.stats());
    }
    return { app, url: await app.getUrl(), work: app.get(Work), tasks, types, log };
  }

  it('P1: a task starts when its response has closed, though that is open for longer than the hold', async () => {
    const { url, work } = await start({ hold: 2_000 });
    await begun(url, '/slow');
    // The process asks for more as long as the response is open.
    await pause(2_500);
    expect(work.done).toEqual([]);
    rawOf(opened as AnyResponse).end('end');
    await work.until('after slow');
  });

  it('D24: a task runs for one request where its duplicate is only held for another', async () => {
    const { url, work } = await start();
    await begun(url, '/slow-unique');
    await post(`${url}/unique`);
    await work.until('unique begins');
    // By now it is another's: the one that was held is its duplicate.
    rawOf(opened as AnyResponse).end('end');
    await work.until('after slow');
    expect(work.done).toEqual(['unique begins', 'after slow']);
    work.open('unique');
    await work.until('behind it');
  });

  it('P17: tasks that are stored are taken back where another store refuses the rest of the request', async () => {
    const refusing = bullmq({ connection: 'redis://127.0.0.1:1', commitTimeout: 300 });
    const { url } = await start(
      { role: 'producer' },
      { queues: { other: { engine: refusing } }, drainTimeout: 300 },
      false,
    );
    // PostgreSQL gets its schema first.
    await untilStored(`${url}/note/other`);
    expect((await post(`${url}/three`)).status).toBe(503);
    const elsewhere = await store.start({ role: 'producer' });
    await eventually(async () => {
      const stored = await elsewhere.tasks.list();
      expect(stored.flatMap(({ args }) => args)).toEqual(['other']);
    });
  });

  describe('while the store is down', () => {
    /** Soon enough for a test; so requests are repeated until they are stored. */
    const SOON = { commitTimeout: 500 };

    afterEach(async () => {
      await store.server.kill();
      await store.server.start();
    });

    it('P17: requests are answered with 503 at start and whenever it is away, and work when it is back', async () => {
      await store.server.kill();
      const { url, work, tasks } = await start(SOON, {}, false);
      const stored: string[] = [];
      for (const when of ['at start', 'later']) {
        const answer = await post(`${url}/note/refused%20${when}`);
        expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
        // A request that has nothing to store.
        expect((await post(`${url}/failure-only`)).status).toBe(201);
        await expect(tasks.ping()).rejects.toThrow('could not be read');
        await store.server.start();
        stored.push(`${when}, stored`);
        await untilStored(`${url}/note/${when},%20stored`);
        await work.until(`${when}, stored`);
        await tasks.ping();
        await store.server.kill();
      }
      expect(new Set(work.done)).toEqual(new Set(stored));
    });

    it('P17: a request is answered with 503 when it does not answer, and what landed is taken back', async () => {
      const { url, work, tasks } = await start({ role: 'producer', ...SOON });
      await untilStored(`${url}/note/first`);
      store.server.freeze();
      const answer = await post(`${url}/note/frozen`);
      expect(answer.status).toBe(503);
      await expect(tasks.ping()).rejects.toThrow('could not be read');
      store.server.thaw();
      await untilStored(`${url}/note/second`);
      await eventually(async () => {
        const stored = await tasks.list({ status: 'queued' });
        const args = stored.map((task) => task.args[0]);
        expect(new Set(args)).toEqual(new Set(['first', 'second']));
      });
      expect(work.done).toEqual([]);
    });

    it('P13: an application shuts down', async () => {
      const { app, url, work } = await start(SOON, { drainTimeout: 300 });
      await untilStored(`${url}/note/x`);
      await work.until('x');
      await store.server.kill();
      await expect(app.close()).resolves.toBeUndefined();
    });

    it('P2: a task that fell back runs behind one that the store took', async () => {
      const { url, work, types } = await start({ fallback: 'memory', ...SOON });
      const response = await fetch(`${url}/late`);
      await store.server.kill();
      addLate?.();
      await response.text();
      await eventually(async () => expect(types).toContain('fell-back'));
      await store.server.start();
      await work.until('late');
      expect(work.done).toEqual(['early', 'late']);
    });

    it('P2: a task that the store may have taken runs once', async () => {
      const { url, work, tasks } = await start({ fallback: 'memory', ...SOON });
      store.server.freeze();
      const response = await fetch(`${url}/late`);
      store.server.thaw();
      await eventually(() => tasks.stats());
      addLate?.();
      await response.text();
      await work.until('late');
      await tasks.whenIdle();
      expect(work.done).toEqual(['early', 'late']);
    });
  });
}

async function post(url: string): Promise<{ status: number; headers: Headers }> {
  const response = await fetch(url, { method: 'POST', headers: { connection: 'close' } });
  await response.text();
  return { status: response.status, headers: response.headers };
}

async function untilStored(url: string): Promise<void> {
  await eventually(async () => expect((await post(url)).status).toBe(201));
}

/** Resolves when the response has begun. */
async function begun(url: string, path: string): Promise<void> {
  (await open(Number(new URL(url).port), path)).resume();
}
