import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Injectable,
  UnauthorizedException,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import type { BoardOptions } from 'nestjs-background-tasks/board';
import { of } from 'rxjs';
import { PLATFORMS, startBoard, type BoardApp, type Platform } from './board-app.js';

interface Job {
  readonly id: string;
  readonly name: string;
  readonly data: unknown;
  readonly failedReason: string;
  readonly stacktrace: string[];
  readonly attempts: number;
  readonly progress: unknown;
  readonly finishedOn: number | null;
}
interface Queue {
  readonly name: string;
  readonly counts: Record<string, number>;
  readonly isPaused: boolean;
  readonly jobs: Job[];
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

function broken(): never {
  throw new Error('secret');
}

describe.each(Object.keys(PLATFORMS) as Platform[])('the board on %s', (platform) => {
  let board: BoardApp;
  const { NODE_ENV } = process.env;

  afterEach(async () => {
    process.env.NODE_ENV = NODE_ENV;
    await board.app.close();
  });

  const start = async (options?: BoardOptions): Promise<BoardApp> =>
    (board = await startBoard(platform, options));

  async function call(
    path: string,
    method = 'GET',
    headers?: Record<string, string>,
  ): Promise<{ status: number; text: string; body: unknown }> {
    const response = await fetch(`${board.url}/tasks${path}`, { method, headers });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return { status: response.status, text, body: isJson ? (JSON.parse(text) as unknown) : text };
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
    const { runner, mailer, app } = await start({ guard: () => true, args });
    await mailer.sendWelcome({ password: 'secret' });
    await runner.whenIdle();
    const { jobs } = await queue('emails', '&status=failed');
    await app.close();
    return jobs[0]?.data;
  }

  it('serves the page, its files, and the counts of every queue', async () => {
    const { runner } = await start();
    runner.addTask(() => undefined);
    await runner.whenIdle();
    const page = await call('/');
    expect(page.status).toBe(200);
    const html = page.text;
    const [script] = /static\/[\w./-]+\.js/.exec(html) ?? [''];
    expect((await call(`/${script}`)).status).toBe(200);
    expect((await queue('default')).counts).toMatchObject({ completed: 1, failed: 0, active: 0 });
    expect((await queue('emails')).counts).toMatchObject({ completed: 0 });
  });

  it('shows a failed task with arguments, error, stack and logs, and retries it', async () => {
    const { runner, mailer } = await start();
    await mailer.sendWelcome({ name: 'Ada' });
    await runner.whenIdle();
    const [job] = (await queue('emails', '&status=failed')).jobs;
    expect(job).toMatchObject({
      name: 'Mailer.sendWelcome',
      data: [{ name: 'Ada' }],
      attempts: 1,
      progress: 50,
      failedReason: expect.stringMatching(/^Error: no connection for <img/),
      stacktrace: [expect.stringMatching(/\n {4}at Mailer\.sendWelcome/)],
      finishedOn: expect.any(Number),
    });
    const logs = (await call(`/api/queues/emails/${job?.id}/logs`)).body;
    expect(logs).toEqual([expect.stringMatching(/Z connecting <b>to<\/b> the mail server$/)]);
    mailer.isBroken = false;
    expect((await call(`/api/queues/emails/${job?.id}/retry`, 'PUT')).status).toBe(204);
    await runner.whenIdle();
    expect(await queue('emails', '&status=completed')).toMatchObject({
      counts: { failed: 0, completed: 1 },
      jobs: [{ id: job?.id, data: 'let go when the task ended' }],
    });
  });

  it('cancels, pauses, resumes and cleans', async () => {
    const { runner } = await start();
    expect((await call('/api/queues/default/pause', 'PUT')).status).toBe(200);
    const handles = [1, 2, 3].map((task) => runner.addTask({ name: `${task}` }, () => undefined));
    expect(await queue('default')).toMatchObject({ isPaused: true, counts: { waiting: 3 } });
    await call(`/api/queues/default/${handles[0]?.id}/clean`, 'PUT');
    expect(handles.map(({ status }) => status)).toEqual(['cancelled', 'queued', 'queued']);
    expect((await queue('default', '&status=failed')).jobs).toMatchObject([
      { name: '1', failedReason: 'It was cancelled.' },
    ]);
    await call('/api/queues/default/resume', 'PUT');
    await runner.whenIdle();
    expect((await queue('default')).counts).toMatchObject({ completed: 2, failed: 1 });
    await call('/api/queues/default/clean/completed', 'PUT');
    await call('/api/queues/default/clean/failed', 'PUT');
    expect((await queue('default')).counts).toMatchObject({ completed: 0, failed: 0 });
    expect(await runner.list()).toEqual([]);
  });

  it('cancels a running task', async () => {
    const { runner } = await start();
    const handle = runner.addTask(() => new Promise(() => undefined));
    while (handle.status !== 'running') {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await call(`/api/queues/default/${handle.id}/clean`, 'PUT')).status).toBe(204);
    expect(handle.status).toBe('cancelled');
  });

  it('pages through a status', async () => {
    const { runner } = await start();
    for (let index = 0; index < 25; index += 1) {
      runner.addTask({ name: `task ${index}` }, () => undefined);
    }
    await runner.whenIdle();
    const response = await call(
      '/api/queues?activeQueue=default&status=completed&page=3&jobsPerPage=10',
    );
    const { queues } = response.body as { queues: Queue[] };
    const names = queues.find(({ name }) => name === 'default')?.jobs.map(({ name }) => name);
    expect(names).toEqual(['task 4', 'task 3', 'task 2', 'task 1', 'task 0']);
  });

  it('refuses to retry what did not fail, and tells of no task by another queue', async () => {
    const { runner } = await start();
    const handle = runner.addTask(() => undefined);
    const { id } = handle;
    await runner.whenIdle();
    expect((await call(`/api/queues/default/${id}/retry`, 'PUT')).status).toBe(500);
    expect((await call(`/api/queues/emails/${id}`)).status).toBe(404);
    expect((await call('/api/queues/default/00000000-0000-4000-8000-000000000000')).status).toBe(
      404,
    );
    expect((await call(`/api/queues/default/${id}`)).status).toBe(200);
  });

  describe('to an attacker', () => {
    it('is not served without a guard in production', async () => {
      process.env.NODE_ENV = 'production';
      await expect(startBoard(platform)).rejects.toThrow(
        'it is not served without a guard. Pass one: BackgroundTasksBoardModule.forRoot({ guard: … }).',
      );
      await start({ guard: () => true });
    });

    it.each<[string, BoardOptions['guard']]>([
      ['class', HeaderGuard],
      ['instance', new HeaderGuard()],
    ])("is closed by a guard of Nest's, a %s: pages, files and API", async (_, guard) => {
      await start({ guard });
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

    it.each<[string, BoardOptions['guard'], number]>([
      ['says no', () => false, 403],
      ['says no later', async () => false, 403],
      ['says no by an Observable', { canActivate: () => of(false) }, 403],
      ['says yes', async () => true, 200],
      [
        'throws',
        () => {
          throw new Error('the session store is down: secret');
        },
        500,
      ],
    ])('answers as the guard does, which %s', async (_, guard, status) => {
      await start({ guard });
      const response = await call('/api/queues');
      expect(response.status).toBe(status);
      expect(response.text).not.toContain('secret');
    });

    it('does nothing that a page of another site asks for', async () => {
      await start({ guard: () => true });
      const foreign = { 'sec-fetch-site': 'cross-site' };
      expect((await call('/api/queues/default/pause', 'PUT', foreign)).status).toBe(403);
      expect((await call('/api/queues/pause', 'PUT', foreign)).status).toBe(403);
      const { queues } = await board.runner.stats();
      expect(queues.default?.isPaused).toBe(false);
    });

    it('hides arguments in production, or by an option, and takes its word for them', async () => {
      process.env.NODE_ENV = 'production';
      expect(await shown()).toBe('hidden');
      expect(await shown('show')).toEqual([{ password: 'secret' }]);
      expect(await shown(([user]) => Object.keys(user as object))).toEqual(['password']);
      expect(await shown(broken)).toBe('hidden');
      process.env.NODE_ENV = 'test';
      expect(await shown()).toEqual([{ password: 'secret' }]);
      expect(await shown('hide')).toBe('hidden');
    });

    it('stays small with 10 MB of arguments', async () => {
      const { mailer, runner } = await start();
      const big = Object.fromEntries(Array.from({ length: 200_000 }, (_, key) => [`k${key}`, key]));
      await mailer.sendWelcome({
        text: 'x'.repeat(10_000_000),
        big,
        list: Array.from(big as never),
      });
      await runner.whenIdle();
      const response = await call(
        '/api/queues?activeQueue=emails&status=failed&page=1&jobsPerPage=10',
      );
      const { text } = response;
      expect(text.length).toBeLessThan(100_000);
      expect(text).toContain('more characters');
    });

    it('changes nothing where it is read-only', async () => {
      const { runner } = await start({ readOnly: true });
      expect((await call('/api/queues/default/pause', 'PUT')).status).toBe(405);
      const { queues } = await runner.stats();
      expect(queues.default?.isPaused).toBe(false);
    });
  });

  it('refuses a route that is none', async () => {
    await expect(startBoard(platform, { route: '../x' })).rejects.toThrow('Option "route"');
    await start({ route: '/admin/tasks' });
    const response = await fetch(`${board.url}/admin/tasks/api/queues`);
    expect(await response.json()).toHaveProperty('queues');
  });
});
