import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  type INestApplicationContext,
  Injectable,
  type OnModuleDestroy,
  StreamableFile,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';
import { type BackgroundTasks, TaskRunner, Tasks } from 'nestjs-background-tasks';
import { open } from '../support/client.js';
import { History } from '../support/history.js';
import { LogBook } from '../../support/log-book.js';
import { startMicroservice } from '../support/messages.js';
import { type Platform, onEachPlatform } from '../support/platforms.js';
import { type AppSetup, rootModule } from '../support/root-module.js';
import { routes } from '../support/routes.js';
import { type RunningApp, startApp } from '../support/running-app.js';
import { Gate } from '../support/time.js';

let opened: INestApplicationContext | undefined;

async function start(options: AppSetup['options'] = {}) {
  const log = new LogBook();
  opened = await NestFactory.createApplicationContext(rootModule({ options }), {
    logger: log,
    abortOnError: false,
  });
  const runner = opened.get(TaskRunner);
  return { app: opened, runner, history: new History(runner), log };
}

describe('app close', () => {
  afterEach(async () => {
    await opened?.close();
    opened = undefined;
  });

  it('P13: closing again, or twice at once, is the same', async () => {
    const { app, runner, history } = await start({ drainTimeout: '1h' });
    const [begun, end] = [new Gate(), new Gate()];
    runner.addTask({ name: 'held' }, async () => {
      begun.open();
      await end.opened;
    });
    await begun.opened;

    const both = Promise.all([app.close(), app.close()]);
    end.open();
    await both;
    await app.close();

    expect(history.names('completed')).toEqual(['held']);
  });

  it('P13: tasks that cannot start before it hold up nothing, and are listed', async () => {
    const { app, runner, history, log } = await start({
      drainTimeout: '1h',
      queues: { paused: {} },
    });
    const tomorrow = runner.addTask({ name: 'tomorrow', delay: '1d' }, () => undefined);
    const again = runner.addTask(
      { name: 'again', retry: { attempts: 2, delay: '1d', maxDelay: '1d', jitter: 'none' } },
      () => {
        throw new Error('not yet');
      },
    );
    const chain = runner.chain();
    const first = chain.addTask({ name: 'first', delay: '1d' }, () => undefined);
    const second = chain.addTask({ name: 'second' }, () => undefined);
    await runner.pause('paused');
    const paused = runner.addTask({ name: 'paused', queue: 'paused' }, () => undefined);
    await history.untilSeen('retrying', 'again');

    await app.close();
    const all = [tomorrow, again, first, second, paused];
    expect(history.names('abandoned').toSorted()).toEqual(all.map(({ name }) => name).toSorted());
    const lines = log.ofTasks('error');
    for (const { name, id } of all) {
      expect(lines).toContainEqual(expect.stringContaining(`Task ${name} (${id}) was abandoned`));
    }
    expect(await tomorrow.whenSettled()).toEqual({ status: 'abandoned', attempts: 0 });
    expect(await again.whenSettled()).toEqual({ status: 'abandoned', attempts: 1 });
  });

  it('P13: what a message handler that never ends has collected is listed', async () => {
    const begun = new Gate();

    @Controller()
    class StuckController {
      @MessagePattern('stuck')
      stuck(@Payload() name: string, @Tasks() tasks: BackgroundTasks): Promise<never> {
        tasks.addTask({ name }, () => undefined);
        begun.open();
        return new Promise(() => undefined);
      }
    }
    const { app, client, log } = await startMicroservice(
      rootModule({ options: { drainTimeout: 50 }, controllers: [StuckController] }),
    );
    const history = new History(app.get(TaskRunner));
    const answer = firstValueFrom(client.send('stuck', 'collected')).catch(() => 'none');
    await begun.opened;

    await app.close();
    expect(await answer).toBe('none');
    expect(history.names('abandoned')).toEqual(['collected']);
    expect(log.ofTasks('error')).toEqual([
      expect.stringMatching(/^Task collected \(.+\) was abandoned/),
    ]);
  });
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

// What runs is waited for: hook-order.e2e-spec.ts, and with real signals processes.e2e-spec.ts.
onEachPlatform((platform) => {
  it('P13: app.close() waits for the tasks of a request that is answered meanwhile', async () => {
    const { app, begun, end, seen, isClosing } = await startClosing(platform);
    const reply = app.request('/in-flight');
    await begun.opened;
    const closed = app.nest.close();
    await isClosing.opened;
    end.open();
    expect((await reply).body).toBe('in time');
    await closed;
    expect(seen).toEqual(['the database closes', 'the task ends']);
    expect(app.names('abandoned')).toEqual([]);
  });

  it('P13: app.close() runs what was committed for a client that leaves meanwhile', async () => {
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
    const busy = await startApp(platform, {
      options: { drainTimeout: '2s', queues: { default: { concurrency: 50 } } },
      controllers: [
        routes({
          'GET /busy': (tasks) => {
            served += 1;
            // Longer than until the next request: at no time is there nothing left.
            tasks.addTask(() => new Promise((resolve) => setTimeout(resolve, 50)));
          },
        }),
      ],
    });
    // Four clients, each of which asks again as soon as it has its answer, until nobody answers.
    const clients = Promise.allSettled(Array.from({ length: 4 }, () => askUntilRefused()));
    async function askUntilRefused(): Promise<void> {
      for (;;) {
        await busy.request('/busy');
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
    await busy.untilSettled(10);
    await busy.nest.close();
    await clients;
    expect(busy.names('abandoned')).toEqual([]);
    expect(busy.names('completed')).toHaveLength(served);
  });
});
