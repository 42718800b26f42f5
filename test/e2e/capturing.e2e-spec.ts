import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, it } from '@jest/globals';
import { Body, Controller, Get, Injectable, Post, Req, Res } from '@nestjs/common';
import {
  Background,
  type BackgroundTasks,
  type TaskHandle,
  TaskRunner,
  Tasks,
  currentTask,
} from 'nestjs-background-tasks';
import { type Platform, onEachPlatform } from './support/platforms.js';
import { runProcess } from './support/process.js';
import { type RunningApp, startApp } from './support/running-app.js';

function keep(..._args: unknown[]): void {}

onEachPlatform((platform) => {
  it('warns of a request and a response among the arguments, once for each task', async () => {
    @Injectable()
    class Audit {
      @Background()
      async write(..._args: unknown[]): Promise<void> {}
    }

    @Controller('captured')
    class CapturedController {
      constructor(readonly audit: Audit) {}

      @Post()
      async capture(
        @Req() request: unknown,
        @Res({ passthrough: true }) response: unknown,
        @Tasks() tasks: BackgroundTasks,
      ): Promise<void> {
        tasks.addTask(keep, 'id', request);
        await this.audit.write(response);
      }
    }

    const app = await startApp(platform, {
      controllers: [CapturedController],
      providers: [Audit],
    });
    await app.request('/captured', { method: 'POST' });
    await app.request('/captured', { method: 'POST' });
    await app.untilSettled(4);
    const warnings = app.log
      .ofTasks('warn')
      .map(({ message }) => message)
      .filter((message) => message.includes('docs/capturing.md'));
    expect(warnings).toEqual([
      expect.stringMatching(
        /^Task keep was given a request, a response or a stream as argument 2: it may be closed/,
      ),
      expect.stringMatching(
        /^Task Audit\.write was given a request, a response or a stream as argument 1/,
      ),
    ]);
  });

  /** A client that goes back to its pool when its transaction has ended. */
  const clients = new AsyncLocalStorage<{ isReleased: boolean }>();

  it.each<[string, string, (add: () => void) => void, (runner: TaskRunner) => void]>([
    ['in it', 'released', (add) => add(), () => undefined],
    ['through exit()', 'its own', (add) => clients.exit(add), () => undefined],
    [
      'in it, with all attempts outside',
      'its own',
      (add) => add(),
      (runner) => void runner.around((_, run) => clients.exit(run)),
    ],
  ])('R13: a task that was added %s has a client that is %s', async (_, expected, add, prepare) => {
    const used: string[] = [];

    @Controller()
    class ClientController {
      @Get()
      async get(@Tasks() tasks: BackgroundTasks): Promise<void> {
        const client = { isReleased: false };
        await clients.run(client, async () => {
          add(() => {
            tasks.addTask({ retry: { attempts: 2, delay: 1 } }, () => {
              used.push(clients.getStore()?.isReleased === true ? 'released' : 'its own');
              if (currentTask().attempt === 1) {
                throw new Error('once more');
              }
            });
          });
        });
        client.isReleased = true;
      }
    }

    const app = await startApp(platform, { controllers: [ClientController] });
    prepare(app.runner);
    await app.request('/');
    await app.untilSettled(1);
    expect(used).toEqual([expected, expected]);
  });
});

it('R13: what is carried of nestjs-cls is there in a stored task, and nothing else of it', async () => {
  const { code, errors, output } = await runProcess('cls-stored.ts');
  expect({ code, errors }).toEqual({ code: 0, errors: '' });
  expect(JSON.parse(output)).toEqual([['alpha', 'acme', 'no client']]);
});

interface Store {
  readonly requestId: string;
}

interface Traced {
  readonly app: RunningApp;
  readonly storage: AsyncLocalStorage<Store>;
  /** What the tasks saw: the request they belong to, after their name and attempt. */
  readonly seen: string[];
  readonly stores: WeakRef<Store>[];
  readonly handles: TaskHandle[];
}

interface RawRequest {
  readonly headers: Record<string, string>;
}

async function startTraced(platform: Platform): Promise<Traced> {
  const storage = new AsyncLocalStorage<Store>();
  const seen: string[] = [];
  const stores: WeakRef<Store>[] = [];
  const handles: TaskHandle[] = [];
  const note = (name: string): void =>
    void seen.push(`${name} of ${storage.getStore()?.requestId ?? 'nobody'}`);

  @Injectable()
  class Mailer {
    @Background()
    async sendWelcome(): Promise<void> {
      await new Promise(setImmediate);
      note('mail');
    }
  }

  @Controller()
  class TracedController {
    constructor(
      private readonly mailer: Mailer,
      private readonly runner: TaskRunner,
    ) {}

    @Get('plain')
    async plain(@Tasks() tasks: BackgroundTasks): Promise<void> {
      tasks.addTask(note, 'first');
      await this.mailer.sendWelcome();
    }

    @Post('body')
    async body(@Tasks() tasks: BackgroundTasks, @Body() body: { name: string }): Promise<void> {
      tasks.addTask(note, body.name);
      await this.mailer.sendWelcome();
    }

    @Get('retried')
    retried(@Tasks() tasks: BackgroundTasks): void {
      const handle = tasks.addTask(
        { name: 'retried', retry: { attempts: 3, delay: 1, jitter: 'none' } },
        async () => {
          const { attempt } = currentTask();
          note(`attempt ${attempt}`);
          await new Promise(setImmediate);
          note(`attempt ${attempt}, later`);
          if (attempt < 3) {
            throw new Error('not yet');
          }
        },
      );
      handles.push(handle);
    }

    @Get('tomorrow')
    tomorrow(@Tasks() tasks: BackgroundTasks): void {
      tasks.addTask({ delay: '1d' }, note, 'tomorrow');
    }

    @Get('delayed')
    delayed(@Tasks() tasks: BackgroundTasks): void {
      handles.push(tasks.addTask({ delay: 20 }, note, 'delayed'));
    }

    @Get('runner')
    queued(): void {
      this.runner.addTask(note, 'queued');
    }

    @Get('nested')
    nested(@Tasks() tasks: BackgroundTasks): void {
      tasks.addTask(() => void this.runner.addTask(note, 'nested'));
    }
  }

  const app = await startApp(platform, {
    controllers: [TracedController],
    providers: [Mailer],
    configure: (nest) =>
      nest.use((request: RawRequest, _response: unknown, next: () => void) => {
        const store = { requestId: request.headers['x-request-id'] ?? 'unknown' };
        stores.push(new WeakRef(store));
        storage.run(store, next);
      }),
  });
  return { app, storage, seen, stores, handles };
}

onEachPlatform((platform) => {
  it('P7: a task sees the store of the request that added it', async () => {
    const { app, seen } = await startTraced(platform);

    await app.request('/plain', { headers: { 'x-request-id': 'alpha' } });
    await app.untilSettled(2);

    expect(seen).toEqual(['first of alpha', 'mail of alpha']);
  });

  it('P7: also where the request had a body to be parsed', async () => {
    const { app, seen } = await startTraced(platform);

    await app.request('/body', {
      method: 'POST',
      headers: { 'x-request-id': 'beta' },
      // Of several pieces: its end comes in a turn of its own.
      body: { name: 'body', padding: 'x'.repeat(90_000) },
    });
    await app.untilSettled(2);

    expect(seen).toEqual(['body of beta', 'mail of beta']);
  });

  it.each([
    { path: '/delayed', expected: 'delayed of delta' },
    { path: '/runner', expected: 'queued of delta' },
    { path: '/nested', expected: 'nested of delta' },
  ])('P7: wherever the task waits and whoever queues it ($path)', async ({ path, expected }) => {
    const { app, seen } = await startTraced(platform);

    await app.request(path, { headers: { 'x-request-id': 'delta' } });
    await app.untilSeen('completed', 'note');

    expect(seen).toEqual([expected]);
  });

  it('P7: each of many requests at once finds its own', async () => {
    const { app, seen } = await startTraced(platform);

    const ids = Array.from({ length: 50 }, (_, number) => `request-${number}`);
    await Promise.all(ids.map((id) => app.request('/plain', { headers: { 'x-request-id': id } })));
    await app.untilSettled(2 * ids.length);

    expect(seen.toSorted()).toEqual(
      ids.flatMap((id) => [`first of ${id}`, `mail of ${id}`]).toSorted(),
    );
  });
});
