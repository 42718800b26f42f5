import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Injectable,
  type INestApplicationContext,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TaskRunner } from 'nestjs-background-tasks';
import { runProcess } from './support/process.js';
import { rootModule, type AppSetup } from './support/root-module.js';

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
});
