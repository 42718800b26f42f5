import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Injectable,
  type INestApplicationContext,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Background, BackgroundTasks, NoRequestError, TaskRunner } from 'nestjs-background-tasks';
import { onEachPlatform } from './support/platforms.js';
import { runProcess } from './support/process.js';
import { rootModule, type AppSetup } from './support/root-module.js';
import { startApp } from './support/running-app.js';

@Injectable()
class Reports {
  readonly written: string[] = [];

  @Background()
  async write(name: string): Promise<void> {
    this.written.push(name);
  }
}

describe('in an application context', () => {
  let context: INestApplicationContext | undefined;

  async function start(setup: AppSetup): Promise<INestApplicationContext> {
    context = await NestFactory.createApplicationContext(rootModule(setup), {
      logger: false,
      abortOnError: false,
    });
    return context;
  }

  afterEach(async () => {
    await context?.close();
  });

  it('P6: TaskRunner queues a task at once', async () => {
    const app = await start({});
    const seen: number[] = [];

    const handle = app
      .get(TaskRunner)
      .addTask((one: number, two: number) => void seen.push(one, two), 1, 2);

    expect(handle.status).toBe('queued');
    expect(await handle.whenSettled()).toMatchObject({ status: 'completed', attempts: 1 });
    expect(seen).toEqual([1, 2]);
  });

  it('P6: a @Background() method is queued at once; its promise does not wait for it to run', async () => {
    const app = await start({ providers: [Reports] });
    const reports = app.get(Reports);
    const settled = untilCompleted(app, 'Reports.write');

    await reports.write('annual');
    expect(reports.written).toEqual([]);

    await settled;
    expect(reports.written).toEqual(['annual']);
  });

  it('P6: what is added before the application has started waits for that, and then runs', async () => {
    const seen: string[] = [];

    @Injectable()
    class Eager implements OnModuleInit, OnApplicationBootstrap {
      constructor(private readonly runner: TaskRunner) {}

      onModuleInit(): void {
        this.runner.addTask(() => void seen.push('task'));
      }

      async onApplicationBootstrap(): Promise<void> {
        // Long enough for a task to start, if it could.
        await new Promise(setImmediate);
        await new Promise(setImmediate);
        await new Promise(setImmediate);
        seen.push('bootstrapped');
      }
    }

    const app = await start({ providers: [Eager] });
    await app
      .get(TaskRunner)
      .addTask(() => undefined)
      .whenSettled();
    expect(seen).toEqual(['bootstrapped', 'task']);
  });

  it('P7: a task sees nothing of the async context that the application was created in', async () => {
    const ended = await runProcess('created-in-context.ts');

    expect(ended).toMatchObject({ code: 0, errors: '' });
    // One of them was added in a context of its own; one had two attempts.
    expect(ended.output.trim().split('\n').toSorted()).toEqual([
      ...Array<string>(4).fill('nothing'),
      'request',
    ]);
  });

  it('P7: a task sees nothing of the async context that another one, or a listener, has entered', async () => {
    const ended = await runProcess('entered-contexts.ts');

    expect(ended).toMatchObject({ code: 0, errors: '', output: '0 of 1000\n' });
  });

  it('P6: BackgroundTasks says what to use instead', async () => {
    const app = await start({});

    const tasks = await app.resolve(BackgroundTasks);

    expect(() => tasks.addTask(() => undefined)).toThrow(NoRequestError);
    expect(() => tasks.addTask(() => undefined)).toThrow(/inject TaskRunner/);
  });
});

onEachPlatform((platform) => {
  it('P6: an application that serves requests queues tasks of its own at once', async () => {
    const app = await startApp(platform, { providers: [Reports] });

    // As a cron job or a message consumer would.
    await app.nest.get(Reports).write('nightly');
    await app.untilSettled(1);

    expect(app.names('completed')).toEqual(['Reports.write']);
    expect(app.nest.get(Reports).written).toEqual(['nightly']);
  });

  it('P6: a task of TaskRunner does not wait for the request that adds it', async () => {
    @Controller()
    class ImpatientController {
      constructor(private readonly runner: TaskRunner) {}

      @Get()
      async get(): Promise<string> {
        return (await this.runner.addTask(() => undefined).whenSettled()).status;
      }
    }
    const app = await startApp(platform, { controllers: [ImpatientController] });

    expect((await app.request('/')).body).toBe('completed');
  });
});

function untilCompleted(app: INestApplicationContext, task: string): Promise<void> {
  return new Promise((resolve) => {
    app.get(TaskRunner).events.subscribe(({ name, type }) => {
      if (name === task && type === 'completed') {
        resolve();
      }
    });
  });
}
