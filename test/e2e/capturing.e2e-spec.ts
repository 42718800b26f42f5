import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, it } from '@jest/globals';
import { Controller, Get, Injectable, Post, Req, Res } from '@nestjs/common';
import {
  Background,
  Tasks,
  currentTask,
  type BackgroundTasks,
  type TaskRunner,
} from 'nestjs-background-tasks';
import { onEachPlatform } from './support/platforms.js';
import { runProcess } from './support/process.js';
import { startApp } from './support/running-app.js';

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
      expect.stringMatching(/^Task keep was given a request as argument 2: it may be closed/),
      expect.stringMatching(/^Task Audit\.write was given a response as argument 1/),
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
