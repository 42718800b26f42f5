import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { expect, it } from '@jest/globals';
import { Injectable, type OnModuleDestroy, StreamableFile } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TaskRunner } from 'nestjs-background-tasks';
import { open } from '../support/client.js';
import { History } from '../support/history.js';
import { LogBook } from '../../support/log-book.js';
import { type Platform, onEachPlatform } from '../support/platforms.js';
import { type AppSetup, rootModule } from '../support/root-module.js';
import { routes } from '../support/routes.js';
import { type RunningApp, startApp } from '../support/running-app.js';
import { Gate } from '../support/time.js';

it('P13: app.close() does not wait for tasks that cannot start before the end, and lists them', async () => {
  const log = new LogBook();
  const options = { drainTimeout: '1h', queues: { paused: {} } } as const;
  const app = await NestFactory.createApplicationContext(rootModule({ options }), { logger: log });
  const runner = app.get(TaskRunner);
  const history = new History(runner);
  const retry = { attempts: 2, delay: '1d', maxDelay: '1d', jitter: 'none' } as const;
  const chain = runner.chain();
  const all = [
    runner.addTask({ name: 'tomorrow', delay: '1d' }, () => undefined),
    runner.addTask({ name: 'again', retry }, () => Promise.reject(new Error('not yet'))),
    chain.addTask({ name: 'first', delay: '1d' }, () => undefined),
    chain.addTask({ name: 'second' }, () => undefined),
  ];
  await runner.pause('paused');
  all.push(runner.addTask({ name: 'paused', queue: 'paused' }, () => undefined));
  await history.untilSeen('retrying', 'again');

  await app.close();
  expect(history.names('abandoned').toSorted()).toEqual(all.map(({ name }) => name).toSorted());
  const lines = log.ofTasks('error');
  for (const { name, id } of all) {
    expect(lines).toContainEqual(expect.stringContaining(`Task ${name} (${id}) was abandoned`));
  }
});

interface Closing {
  readonly app: RunningApp;
  readonly begun: Gate;
  readonly end: Gate;
  /** What happened, in its order. */
  readonly seen: string[];
  /** Open as soon as the application is closing. */
  readonly isClosing: Gate;
}

async function* chunks(): AsyncGenerator<Buffer> {
  for (;;) {
    yield Buffer.alloc(64 * 1024);
  }
}

async function startClosing(
  platform: Platform,
  configure?: AppSetup['configure'],
): Promise<Closing> {
  const [begun, end, isClosing] = [new Gate(), new Gate(), new Gate()];
  const seen: string[] = [];
  const note = (): void => void seen.push('the task ends');

  @Injectable()
  class Database implements OnModuleDestroy {
    onModuleDestroy(): void {
      seen.push('the database closes');
      isClosing.open();
    }
  }
  const controller = routes({
    'GET /last': (tasks) => void tasks.addTask(note),
    'GET /in-flight': async (tasks) => {
      tasks.addTask(note);
      begun.open();
      await end.opened;
      return 'in time';
    },
    'GET /endless': (tasks) => {
      tasks.addTask(note);
      return new StreamableFile(Readable.from(chunks(), { objectMode: false }));
    },
  });
  const setup = { controllers: [controller], providers: [Database] };
  const app = await startApp(platform, { ...setup, ...(configure && { configure }) });
  return { app, begun, end, seen, isClosing };
}

// What a store keeps that does not end in time: the conformance suite. Running tasks are waited for: hook-order.suite.ts, and with real signals processes.suite.ts.
onEachPlatform((platform) => {
  it('P13: app.close() waits for the tasks of a request that is answered meanwhile', async () => {
    const { app, begun, end, seen, isClosing } = await startClosing(platform);
    const reply = app.request('/in-flight');
    await begun.opened;
    // Twice at once is the same, and again after the test.
    const closed = Promise.all([app.nest.close(), app.nest.close()]);
    await isClosing.opened;
    end.open();
    expect((await reply).body).toBe('in time');
    await closed;
    expect(seen).toEqual(['the database closes', 'the task ends']);
    expect(app.names('abandoned')).toEqual([]);
  });

  it('P13: app.close() runs the tasks of a client that leaves meanwhile', async () => {
    const { app, seen, isClosing } = await startClosing(platform);
    const response = await open(app.port, '/endless');
    await once(response, 'data');
    const closed = app.nest.close();
    await isClosing.opened;
    response.destroy();
    await closed;
    expect(seen).toEqual(['the database closes', 'the task ends']);
    expect(app.names('abandoned')).toEqual([]);
  });

  it('P13: a response that closes as the application does has released its tasks', async () => {
    const closed = new Gate();
    const { app, seen } = await startClosing(platform, (nest) => {
      nest.use((_request: unknown, response: ServerResponse, next: () => void) => {
        response.once('close', () => void nest.close().then(closed.open));
        next();
      });
    });
    await app.request('/last');
    await closed.opened;
    expect(seen).toEqual(['the task ends', 'the database closes']);
  });

  it('P13: requests that keep coming do not use up the time of the tasks', async () => {
    let served = 0;
    const controller = routes({
      'GET /busy': (tasks) => {
        served += 1;
        // Longer than until the next request: at no time is there nothing left.
        tasks.addTask(() => new Promise((resolve) => setTimeout(resolve, 50)));
      },
    });
    const busy = await startApp(platform, {
      options: { drainTimeout: '1s', queues: { default: { concurrency: 50 } } },
      controllers: [controller],
    });
    const askUntilRefused = async (): Promise<void> => {
      for (;;) {
        await busy.request('/busy');
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const clients = Promise.allSettled(Array.from({ length: 4 }, askUntilRefused));
    await busy.untilSettled(10);
    await busy.nest.close();
    await clients;
    expect(busy.names('abandoned')).toEqual([]);
    expect(busy.names('completed')).toHaveLength(served);
  });
});
