import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  HttpException,
  Injectable,
  UnauthorizedException,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { BoardOptions } from 'nestjs-background-tasks/board';
import { of } from 'rxjs';
import { OtherQueue, startBoard, type BoardApp } from './board-app.js';

interface Queue {
  readonly name: string;
  readonly counts: Record<string, number>;
  readonly jobs: { readonly id: string; readonly data: unknown }[];
}

@Injectable()
class HeaderGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    if (headers.authorization === undefined) {
      throw new UnauthorizedException('Who are you?');
    }
    return headers.authorization === 'Bearer admin';
  }
}

const Roles = Reflector.createDecorator<string, string[]>({ transform: (role) => [role] });

/** As Nest's documentation has it. */
@Injectable()
class RolesGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const roles = this.reflector.get(Roles, context.getHandler());
    if (!roles) {
      return true;
    }
    const { headers } = context.switchToHttp().getRequest<{ headers: { role?: string } }>();
    return roles.includes(headers.role ?? '');
  }
}

function setEnvironment(value: string | undefined): void {
  if (value === undefined) {
    delete process.env.NODE_ENV;
  } else {
    process.env.NODE_ENV = value;
  }
}

function broken(): never {
  throw new Error('secret');
}

/** One of each kind of request that changes something. */
const CHANGES = [
  'PUT /pause',
  'PUT /default/pause',
  'PUT /other/pause',
  'PUT /other/obliterate',
  'PUT /other/1/retry',
  'PUT /other/job-schedulers/nightly/run',
  'PATCH /other/1/update-data',
  'POST /other/add',
];

let board: BoardApp;
const started: BoardApp[] = [];
const { NODE_ENV } = process.env;

afterEach(async () => {
  setEnvironment(NODE_ENV);
  await Promise.all(started.splice(0).map(({ app }) => app.close()));
});

/** Closed after the test. */
async function start(platform: string, options?: BoardOptions): Promise<BoardApp> {
  board = await startBoard(platform, options);
  started.push(board);
  return board;
}

/** One board for the tests around the call. */
function share(platform: string, options?: BoardOptions): void {
  beforeAll(async () => {
    board = await startBoard(platform, options);
  });
  afterAll(() => board.app.close());
}

async function call(
  path: string,
  method = 'GET',
  headers?: Record<string, string>,
  body?: object,
): Promise<{ status: number; text: string; body: unknown }> {
  const response = await fetch(`${board.url}/tasks${path}`, {
    method,
    headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  return { status: response.status, text, body: isJson ? (JSON.parse(text) as unknown) : text };
}

/** With headers that `fetch()` does not let through. */
async function raw(method: string, path: string, headers: Record<string, string>): Promise<number> {
  const sent = request(`${board.url}/tasks${path}`, { method, headers }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  return response.statusCode ?? 0;
}

async function queue(name: string, query = ''): Promise<Queue> {
  const response = await call(`/api/queues?activeQueue=${name}&page=1&jobsPerPage=10${query}`);
  const { queues } = response.body as { queues: Queue[] };
  const found = queues.find((each) => each.name === name);
  if (found === undefined) {
    throw new Error(`no queue ${name} in ${JSON.stringify(queues)}`);
  }
  return found;
}

/** What the board shows of a failed task's arguments. */
async function shown(args?: BoardOptions['args']): Promise<unknown> {
  const { runner, mailer } = await start('Fastify', { guard: () => true, args });
  await mailer.sendWelcome({ password: 'secret' });
  await runner.whenIdle();
  return (await queue('emails', '&status=failed')).jobs[0]?.data;
}

describe.each(['Express', 'Fastify'])('the board on %s', (platform) => {
  // What a queue and its tasks look like there: test/unit/board.
  it('serves the page and its files, shows a failed task, and retries it', async () => {
    const { runner, mailer } = await start(platform);
    const page = await call('/');
    expect(page.status).toBe(200);
    const [script] = /static\/[\w./-]+\.js/.exec(page.text) ?? [''];
    expect((await call(`/${script}`)).status).toBe(200);
    await mailer.sendWelcome({ name: 'Ada' });
    await runner.whenIdle();
    const [job] = (await queue('emails', '&status=failed')).jobs;
    expect(job).toMatchObject({ name: 'Mailer.sendWelcome', data: [{ name: 'Ada' }], attempts: 1 });
    const logs = (await call(`/api/queues/emails/${job?.id}/logs`)).body;
    expect(logs).toEqual([expect.stringMatching(/Z connecting <b>to<\/b> the mail server$/)]);
    mailer.isBroken = false;
    expect((await call(`/api/queues/emails/${job?.id}/retry`, 'PUT')).status).toBe(204);
    await runner.whenIdle();
    expect(await queue('emails', '&status=completed')).toMatchObject({
      counts: { failed: 0, completed: 1 },
      jobs: [{ id: job?.id, data: 'not kept after the end of the task' }],
    });
    expect((await queue('default')).counts).toMatchObject({ completed: 0 });
  });

  describe('without a guard', () => {
    share(platform);

    it.each([
      ['tasks.example.com', 403],
      ['127.0.0.1.example.com', 403],
      ['192.168.0.7', 403],
      ['localhost@example.com', 403],
      ['localhost', 200],
      ['localhost:3000', 200],
      ['app.localhost', 200],
      ['127.0.0.9', 200],
      ['[::1]:3000', 200],
    ])(
      'O5: answers at names of this machine only, as other names may lead here: %s gets %d',
      async (host, status) => {
        expect(await raw('GET', '/', { host })).toBe(status);
        expect(await raw('PUT', '/api/queues/default/pause', { host })).toBe(status);
      },
    );
  });

  it('O4: carries metadata for its guards, which are asked in order', async () => {
    const guard = [HeaderGuard, RolesGuard];
    await start(platform, { guard, decorators: [Roles('admin')] });
    const admin = { authorization: 'Bearer admin' };
    expect((await call('/api/queues')).status).toBe(401);
    expect((await call('/api/queues', 'GET', admin)).status).toBe(403);
    expect((await call('/api/queues', 'GET', { ...admin, role: 'admin' })).status).toBe(200);
    expect(board.log.lines.filter(({ message }) => message.includes('Reflector'))).toEqual([]);
  });

  it('O4: warns of a guard that injects a Reflector where the board carries no metadata', async () => {
    await start(platform, { guard: RolesGuard });
    expect(board.log.lines).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        message: expect.stringMatching(
          /^RolesGuard, a guard of .* injects a Reflector\..*decorators/,
        ),
      }),
    );
  });

  it.each<[string, BoardOptions['guard']]>([
    ['class', HeaderGuard],
    ['instance', new HeaderGuard()],
  ])('closes its pages, files and API by a guard of Nest: a %s', async (_, guard) => {
    await start(platform, { guard });
    for (const path of ['', '/', '/api/queues', '/queue/default', '/static/favicon-32x32.png']) {
      expect((await call(path)).status).toBe(401);
      expect((await call(path, 'GET', { authorization: 'Bearer bob' })).status).toBe(403);
    }
    const unknown = await call('/api/queues/default/pause', 'PUT');
    expect([unknown.status, unknown.body]).toEqual([
      401,
      { message: 'Who are you?', error: 'Unauthorized', statusCode: 401 },
    ]);
    expect((await call('/', 'GET', { authorization: 'Bearer admin' })).status).toBe(200);
    const { queues } = await board.runner.stats();
    expect(queues.default?.isPaused).toBe(false);
  });

  describe('with a guard that lets everybody in', () => {
    share(platform, { guard: () => true });
    afterEach(() => board.runner.resume());

    it.each<[string, Record<string, string>, number, number]>([
      // what asks, its headers, whether it may read, whether it may act
      ['a page of another site', { 'sec-fetch-site': 'cross-site' }, 403, 403],
      ['a page of a sibling', { 'sec-fetch-site': 'same-site' }, 403, 403],
      ['a header that nobody knows', { 'sec-fetch-site': 'same-origin, none' }, 403, 403],
      [
        'a link elsewhere',
        { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
        200,
        403,
      ],
      ['the board', { 'sec-fetch-site': 'same-origin' }, 200, 200],
      ['the address bar', { 'sec-fetch-site': 'none' }, 200, 200],
      ['a page over http', { origin: 'http://evil.example' }, 403, 403],
      ['a page without an origin', { origin: 'null' }, 403, 403],
      ['a page of another port', { origin: 'http://tasks.example:81' }, 403, 403],
      ['the board over http', { origin: 'http://tasks.example' }, 200, 200],
      ['the board behind TLS', { origin: 'https://tasks.example:443' }, 200, 200],
      ['no browser', {}, 200, 200],
    ])('O5: reads and acts for %s, or refuses', async (_, headers, reading, acting) => {
      const named = { host: 'tasks.example', ...headers };
      expect(await raw('GET', '/api/queues?activeQueue=default', named)).toBe(reading);
      expect(await raw('PUT', '/api/queues/default/pause', named)).toBe(acting);
      expect(await raw('PUT', '/api/queues/pause', named)).toBe(acting);
      const { queues } = await board.runner.stats();
      expect(queues.default?.isPaused).toBe(acting === 200);
    });
  });

  it('O5: forbids its pages in frames, whether or not the guard lets the request in', async () => {
    for (const guard of [() => true, () => false]) {
      await start(platform, { guard });
      const { headers } = await fetch(`${board.url}/tasks/`);
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('content-security-policy')).toBe("frame-ancestors 'none'");
    }
  });

  it('O6: changes no queue where it is read-only, neither of ours nor of an adapter', async () => {
    const other = new OtherQueue();
    await start(platform, { readOnly: true, adapters: [other] });
    for (const change of CHANGES) {
      const [method, path] = change.split(' ');
      const { status } = await call(`/api/queues${path}`, method, {}, {});
      expect([change, status]).toEqual([change, 405]);
    }
    expect(other.done).toEqual([]);
    expect((await board.runner.stats()).queues.default?.isPaused).toBe(false);
    // The page shows no buttons, and the adapter is what it was for other boards.
    expect(await queue('other')).toMatchObject({ readOnlyMode: true, allowRetries: false });
    expect(other.readOnlyMode).toBe(false);
  });
});

// The same on both platforms.
describe('the board', () => {
  it('retries all tasks that failed, and none that was cancelled', async () => {
    const { runner, mailer } = await start('Fastify');
    await mailer.sendWelcome({ name: 'Ada' });
    await mailer.sendWelcome({ name: 'Bob' });
    await runner.whenIdle();
    const cancelled = runner.addTask({ queue: 'emails', delay: '1h' }, () => undefined);
    await cancelled.cancel();
    expect((await queue('emails')).counts).toMatchObject({ failed: 3 });
    mailer.isBroken = false;
    expect((await call('/api/queues/emails/retry/failed', 'PUT')).status).toBe(200);
    await runner.whenIdle();
    expect((await queue('emails')).counts).toMatchObject({ failed: 1, completed: 2 });
  });

  it.each([undefined, '', 'production', 'prod', 'staging', 'production ', 'Development'])(
    'O3: is not served without a guard, and shows no arguments, where NODE_ENV is %j',
    async (environment) => {
      setEnvironment(environment);
      await expect(startBoard('Fastify')).rejects.toThrow(
        `NODE_ENV is ${JSON.stringify(environment) ?? 'not set'}: it is not served without a guard.`,
      );
      expect(await shown()).toBe('hidden');
    },
  );

  it.each(['development', 'test'])(
    'O3: is served without a guard where NODE_ENV is %s, and says so',
    async (environment) => {
      setEnvironment(environment);
      const { log } = await start('Fastify');
      expect(log.lines).toContainEqual(
        expect.objectContaining({
          level: 'warn',
          message: expect.stringMatching(/^The board at \/tasks has no guard: /),
        }),
      );
      expect((await call('/api/queues')).status).toBe(200);
    },
  );

  it.each<[string, BoardOptions['guard'], number]>([
    ['says no', () => false, 403],
    ['says no later', async () => false, 403],
    ['says no by an Observable', { canActivate: () => of(false) }, 403],
    ['says yes', async () => true, 200],
    ['throws', broken, 500],
    ['throws a bare text', () => Promise.reject(new HttpException('<b>no</b>', 418)), 418],
  ])('O5: answers with JSON as its guard decides, which %s', async (_, guard, status) => {
    await start('Fastify', { guard });
    const response = await call('/api/queues');
    expect([response.status, typeof response.body]).toEqual([status, 'object']);
    expect(response.text).not.toContain('secret');
  });

  it('shows, hides or replaces the arguments of tasks as its option `args` says', async () => {
    expect(await shown()).toEqual([{ password: 'secret' }]);
    expect(await shown('hide')).toBe('hidden');
    expect(await shown(([user]) => Object.keys(user as object))).toEqual(['password']);
    expect(await shown(broken)).toBe('hidden');
    setEnvironment('production');
    expect(await shown('show')).toEqual([{ password: 'secret' }]);
  });

  it('changes a queue of an adapter where the board is not read-only', async () => {
    const other = new OtherQueue();
    await start('Fastify', { adapters: [other] });
    await call('/api/queues/other/empty', 'PUT');
    await call('/api/queues/other/pause', 'PUT');
    expect(other.done).toEqual(['empty', 'pause']);
  });

  it.each<[BoardOptions['args'], string]>([
    ['hide', 'hidden'],
    [() => 'what there is to see', 'hidden'],
    ['show', 'secret'],
  ])('O6: with args: %s shows the data of jobs of an adapter as %s', async (args, data) => {
    await start('Fastify', { args, adapters: [new OtherQueue()] });
    expect((await queue('other', '&status=failed')).jobs).toMatchObject([
      { data, returnValue: data },
    ]);
    const one = await call('/api/queues/other/1');
    const schedulers = await call('/api/job-schedulers');
    expect([one, schedulers].map(({ text }) => text.includes('secret'))).toEqual(
      data === 'secret' ? [true, true] : [false, false],
    );
  });

  it('is served at the path that its option `route` says', async () => {
    await start('Fastify', { route: '/admin/tasks' });
    const response = await fetch(`${board.url}/admin/tasks/api/queues`);
    expect(await response.json()).toHaveProperty('queues');
  });
});
