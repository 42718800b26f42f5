import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Header,
  Inject,
  Param,
  Post,
  Res,
  StreamableFile,
  type INestApplication,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  BackgroundTasks,
  TaskRunner,
  Tasks,
  type BackgroundTasksOptions,
} from 'nestjs-background-tasks';
import { bullmq, type BullMQOptions } from 'nestjs-background-tasks/bullmq';
import type { TestServer } from '../../support/servers.js';
import { freshPrefix, rootModule, startApp, TestLog, Work } from './app.js';
import { eventually } from './engine.suite.js';

interface Writable {
  write(text: string): void;
  end(text?: string): void;
}

@Controller()
class TasksController {
  static response: Writable | undefined;
  /** Adds another task to the response that is open, and ends it. */
  static addLate: (() => void) | undefined;
  constructor(@Inject(Work) private readonly work: Work) {}

  @Post('note/:text')
  async note(@Param('text') text: string): Promise<{ stored: string }> {
    await this.work.note(text);
    return { stored: text };
  }

  @Post('three')
  three(@Tasks() tasks: BackgroundTasks): void {
    tasks.addTask({ retry: false }, this.work.fail, 'one', 1);
    tasks.addTask({ queue: 'other' }, this.work.note, 'two');
    tasks.addTask(this.work.note, 'three');
  }

  @Post('long-chain')
  longChain(@Tasks() tasks: BackgroundTasks): void {
    const chain = tasks.chain();
    chain.addTask({ retry: false }, this.work.fail, 'a', 1);
    tasks.addTask({ dedupe: { key: 'x' } }, this.work.wait, 'between');
    tasks.addTask({ dedupe: { key: 'x' } }, this.work.wait, 'not unique');
    chain.addTask(this.work.note, 'b');
    chain.addTask(this.work.note, 'c');
    tasks.addTask(this.work.note, 'last');
  }

  @Post('unique')
  unique(@Tasks() tasks: BackgroundTasks): void {
    tasks.addTask({ dedupe: { key: 'x' } }, this.work.wait, 'unique');
    tasks.addTask(this.work.note, 'behind it');
  }

  @Post('failure-only')
  failureOnly(@Tasks() tasks: BackgroundTasks): void {
    tasks.addTask({ when: 'failure' }, this.work.note, 'on failure');
  }

  @Get('slow')
  @Header('content-type', 'text/plain')
  slow(@Tasks() tasks: BackgroundTasks, @Res() response: Writable): void {
    tasks.addTask(this.work.note, 'after slow');
    response.write('begin ');
    TasksController.response = response;
  }

  @Get('slow-unique')
  @Header('content-type', 'text/plain')
  slowUnique(@Tasks() tasks: BackgroundTasks, @Res() response: Writable): void {
    tasks.addTask({ dedupe: { key: 'x' } }, this.work.wait, 'unique');
    tasks.addTask(this.work.note, 'after slow');
    response.write('begin ');
    TasksController.response = response;
  }

  /** Its head is sent when its handler has ended, and what that added is stored. */
  @Get('late')
  late(@Tasks() tasks: BackgroundTasks): StreamableFile {
    tasks.addTask(this.work.note, 'early');
    const body = new PassThrough();
    body.write('begin ');
    TasksController.addLate = () => {
      tasks.addTask(this.work.note, 'late');
      body.end('end');
    };
    return new StreamableFile(body);
  }
}

/** What a durable engine promises to those who send requests. */
export function requestsSuite(makeServer: () => Promise<TestServer>): void {
  let server: TestServer;
  let prefix: string;
  let app: INestApplication | undefined;
  let log: TestLog;

  beforeAll(async () => {
    server = await makeServer();
    await server.start();
  });
  beforeEach(() => {
    prefix = freshPrefix();
  });
  afterEach(async () => {
    server.thaw();
    await app?.close();
    app = undefined;
  });
  afterAll(async () => {
    await server.remove();
  });

  async function start(
    bull: Partial<BullMQOptions> = {},
    options: BackgroundTasksOptions = {},
    isUp = true,
  ): Promise<{ url: string; work: Work; tasks: TaskRunner }> {
    log = new TestLog();
    const root = rootModule(
      { connection: server.url, prefix, ...bull },
      { queues: { other: {} }, ...options },
      [Work],
      [TasksController],
    );
    app = await NestFactory.create(root, { logger: log });
    await app.listen(0, '127.0.0.1');
    const { port } = app.getHttpServer().address() as AddressInfo;
    const tasks = app.get(TaskRunner);
    if (isUp) {
      // PostgreSQL gets its schema first.
      await eventually(() => tasks.stats());
    }
    return { url: `http://127.0.0.1:${port}`, work: app.get(Work), tasks };
  }

  it('P17: has stored the tasks of a request when it is answered', async () => {
    const { url, tasks } = await start({ role: 'producer' });
    expect((await post(`${url}/note/kept`)).status).toBe(201);
    expect(await tasks.list()).toMatchObject([{ name: 'note', args: ['kept'], status: 'queued' }]);
  });

  it('P1: starts nothing before the response has closed', async () => {
    const { url, work } = await start({ hold: 2_000 });
    const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
      httpRequest(`${url}/slow`, resolve).once('error', reject).end();
    });
    response.resume();
    // Longer than the hold: the process asks for more as long as the response is open.
    await new Promise((resolve) => {
      setTimeout(resolve, 2_500);
    });
    expect(work.done).toEqual([]);
    TasksController.response?.end('end');
    await work.until('after slow');
  });

  it('drops the rest of a chain also where the store has let go of what failed', async () => {
    const { url, work, tasks } = await start({}, { keep: { count: 1 } });
    await post(`${url}/long-chain`);
    await work.until('between begins');
    await tasks.addTask({ retry: false }, work.fail, 'another', 1).whenSettled();
    work.open('between');
    await work.until('last');
    expect(work.done).toEqual(['a 1', 'between begins', 'another 1', 'between ends', 'last']);
  });

  it('P2: runs what is behind a duplicate, also where that is the first of its request', async () => {
    const { url, work } = await start();
    await post(`${url}/unique`);
    await work.until('unique begins');
    await post(`${url}/unique`);
    await work.until('behind it');
    expect(work.done).toEqual(['unique begins', 'behind it']);
    work.open('unique');
    await work.until('behind it', 2);
    expect(work.done.slice(2)).toEqual(['unique ends', 'behind it']);
  });

  it('D24: does for one request what is only held for another', async () => {
    const { url, work } = await start();
    const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
      httpRequest(`${url}/slow-unique`, resolve).once('error', reject).end();
    });
    response.resume();
    await post(`${url}/unique`);
    await work.until('unique begins');
    // By now it is another's: the one that was held is its duplicate.
    TasksController.response?.end('end');
    await work.until('after slow');
    expect(work.done).toEqual(['unique begins', 'after slow']);
    work.open('unique');
    await work.until('behind it');
  });

  it('P17: takes back what it has stored of a request that another store refused', async () => {
    const refusing = bullmq({ connection: 'redis://127.0.0.1:1', commitTimeout: 300 });
    const { url } = await start(
      { role: 'producer' },
      { queues: { other: { engine: refusing } }, drainTimeout: 300 },
      false,
    );
    // PostgreSQL gets its schema first.
    await untilStored(`${url}/note/other`);
    expect((await post(`${url}/three`)).status).toBe(503);
    const elsewhere = await startApp({ connection: server.url, prefix, role: 'producer' });
    await eventually(async () => {
      const stored = await elsewhere.tasks.list();
      expect(stored.flatMap(({ args }) => args)).toEqual(['other']);
    });
    await elsewhere.close();
  });

  describe('while the store is down', () => {
    /** Soon enough for a test; so requests are repeated until they are stored. */
    const SOON = { commitTimeout: 500 };

    afterEach(async () => {
      await server.kill();
      await server.start();
    });

    it('P17: answers 503 at start, and works once it is there', async () => {
      await server.kill();
      const { url, work } = await start(SOON, {}, false);
      const answer = await post(`${url}/note/early`);
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).toBe('1');
      await server.start();
      await untilStored(`${url}/note/late`);
      await work.until('late');
      expect(work.done).not.toContain('early');
    });

    it('P17: answers 503 when it goes away, and works when it is back', async () => {
      const { url, work } = await start(SOON);
      await untilStored(`${url}/note/before`);
      await work.until('before');
      await server.kill();
      const answer = await post(`${url}/note/meanwhile`);
      expect(answer.status).toBe(503);
      await server.start();
      await untilStored(`${url}/note/after`);
      await work.until('after');
      expect(work.done).not.toContain('meanwhile');
    });

    it('P17: answers 503 when it does not answer, and takes back what landed', async () => {
      const { url, work, tasks } = await start({ role: 'producer', ...SOON });
      await untilStored(`${url}/note/first`);
      server.freeze();
      const answer = await post(`${url}/note/frozen`);
      expect(answer.status).toBe(503);
      server.thaw();
      await untilStored(`${url}/note/second`);
      await eventually(async () => {
        const stored = await tasks.list({ status: 'queued' });
        const args = stored.map((task) => task.args[0]);
        expect(new Set(args)).toEqual(new Set(['first', 'second']));
      });
      expect(work.done).toEqual([]);
    });

    it('P13: shuts down', async () => {
      const { url, work } = await start(SOON, { drainTimeout: 300 });
      await untilStored(`${url}/note/x`);
      await work.until('x');
      await server.kill();
      await expect(app?.close()).resolves.toBeUndefined();
    });

    it('falls back to memory where that is wanted, and says so', async () => {
      await server.kill();
      const { url, work, tasks } = await start({ fallback: 'memory', ...SOON }, {}, false);
      const types: string[] = [];
      tasks.events.subscribe(({ type }) => types.push(type));
      expect((await post(`${url}/note/anyway`)).status).toBe(201);
      await work.until('anyway');
      expect(types).toContain('fell-back');
      expect(log.lines.join('\n')).toMatch(/warn .*is kept in memory: its store did not take it/);
    });

    it('answers a request of which nothing is to be stored', async () => {
      await server.kill();
      const { url } = await start(SOON, {}, false);
      expect((await post(`${url}/failure-only`)).status).toBe(201);
      expect((await post(`${url}/note/any`)).status).toBe(503);
    });

    it('P2: runs what fell back behind what the store took, when both are there', async () => {
      const { url, work, tasks } = await start({ fallback: 'memory', ...SOON });
      const types: string[] = [];
      tasks.events.subscribe(({ type }) => types.push(type));
      const response = await fetch(`${url}/late`);
      await server.kill();
      TasksController.addLate?.();
      await response.text();
      await eventually(async () => expect(types).toContain('fell-back'));
      await server.start();
      await work.until('late');
      expect(work.done).toEqual(['early', 'late']);
    });

    it('P2: runs once what the store could have taken, behind what fell back', async () => {
      const { url, work, tasks } = await start({ fallback: 'memory', ...SOON });
      server.freeze();
      const response = await fetch(`${url}/late`);
      server.thaw();
      await eventually(() => tasks.stats());
      TasksController.addLate?.();
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
