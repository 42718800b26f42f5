import type { ServerResponse } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { afterEach, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Injectable,
  type INestApplicationContext,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientProxyFactory,
  MessagePattern,
  Payload,
  Transport,
  type TcpOptions,
} from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import {
  Background,
  ShutDownError,
  TaskRunner,
  Tasks,
  currentTask,
  type BackgroundTasks,
} from 'nestjs-background-tasks';
import { firstValueFrom } from 'rxjs';
import { History } from '../support/history.js';
import { LogBook } from '../support/log-book.js';
import { onEachPlatform } from '../support/platforms.js';
import { rootModule, type AppSetup } from '../support/root-module.js';
import { startApp } from '../support/running-app.js';
import { Gate } from '../support/time.js';

let app: INestApplicationContext | undefined;

afterEach(async () => {
  await app?.close();
  app = undefined;
});

@Injectable()
class Mailer {
  @Background()
  async send(): Promise<void> {
    // Nothing is sent.
  }
}

interface Started {
  readonly app: INestApplicationContext;
  readonly runner: TaskRunner;
  readonly history: History;
  readonly log: LogBook;
}

async function start(options: AppSetup['options'] = {}): Promise<Started> {
  const log = new LogBook();
  app = await NestFactory.createApplicationContext(rootModule({ options, providers: [Mailer] }), {
    logger: log,
    abortOnError: false,
  });
  const runner = app.get(TaskRunner);
  return { app, runner, history: new History(runner), log };
}

it('P13: app.close() with nothing pending waits for nothing', async () => {
  const { app: closing, runner } = await start({ drainTimeout: '1h' });
  await runner.addTask(() => undefined).whenSettled();

  await expect(closing.close()).resolves.toBeUndefined();
});

it('P13: closing again, or twice at once, is the same', async () => {
  const { app: closing, runner, history } = await start({ drainTimeout: '1h' });
  const begun = new Gate();
  const end = new Gate();
  runner.addTask({ name: 'held' }, async () => {
    begun.open();
    await end.opened;
  });
  await begun.opened;

  const both = Promise.all([closing.close(), closing.close()]);
  end.open();
  await both;
  await closing.close();

  expect(history.names('completed')).toEqual(['held']);
});

it('P13: what is added after app.close() is refused', async () => {
  const { app: closing, runner } = await start();
  await closing.close();

  expect(() => runner.addTask(() => undefined)).toThrow(ShutDownError);
  expect(() => runner.addTask({ name: 'late' }, () => undefined)).toThrow(
    /Task "late" cannot be added: the application has shut down/,
  );
  expect(() => void closing.get(Mailer).send()).toThrow(ShutDownError);
});

it('P13: tasks that can start before the deadline are waited for: delays, retries, chains', async () => {
  const { app: closing, runner, history } = await start({ drainTimeout: '1h' });

  runner.addTask({ name: 'delayed', delay: 20 }, () => undefined);
  runner.addTask({ name: 'retried', retry: { attempts: 2, delay: 20, jitter: 'none' } }, () => {
    if (currentTask().attempt === 1) {
      throw new Error('not yet');
    }
  });
  const chain = runner.chain();
  chain.addTask({ name: 'first' }, () => undefined);
  chain.addTask({ name: 'second', delay: 20 }, () => undefined);
  await closing.close();

  expect(history.names('completed').toSorted()).toEqual(['delayed', 'first', 'retried', 'second']);
});

it('P13: tasks that cannot start before it hold up nothing, and are listed', async () => {
  const {
    app: closing,
    runner,
    history,
    log,
  } = await start({
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
  chain.addTask({ name: 'first', delay: '1d' }, () => undefined);
  const second = chain.addTask({ name: 'second' }, () => undefined);
  await runner.pause('paused');
  const paused = runner.addTask({ name: 'paused', queue: 'paused' }, () => undefined);
  await history.untilSeen('retrying', 'again');

  await closing.close();
  expect(history.names('abandoned').toSorted()).toEqual([
    'again',
    'first',
    'paused',
    'second',
    'tomorrow',
  ]);
  const lines = log.ofTasks('error').map(({ message }) => message);
  for (const { name, id } of [tomorrow, again, second, paused]) {
    expect(lines).toContainEqual(expect.stringContaining(`Task ${name} (${id}) was abandoned`));
  }
  expect(await tomorrow.whenSettled()).toEqual({ status: 'abandoned', attempts: 0 });
  expect(await again.whenSettled()).toEqual({ status: 'abandoned', attempts: 1 });
});

it('P13: a task that heeds its signal in the last second has completed', async () => {
  const { app: closing, runner, history } = await start({ drainTimeout: 0 });
  const begun = new Gate();
  const heeds = runner.addTask({ name: 'heeds' }, async () => {
    const { signal } = currentTask();
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve());
      begun.open();
    });
  });
  await begun.opened;

  await closing.close();
  expect((await heeds.whenSettled()).status).toBe('completed');
  expect(history.names('abandoned')).toEqual([]);
});

it('P13: the counters are exact after a shutdown that gave up', async () => {
  const { app: closing, runner } = await start({ drainTimeout: 0 });
  runner.addTask({ name: 'done' }, () => undefined);
  await runner.whenIdle();
  const begun = new Gate();
  runner.addTask({ name: 'stuck' }, () => {
    begun.open();
    return new Promise(() => undefined);
  });
  runner.addTask({ name: 'tomorrow', delay: '1d' }, () => undefined);
  await begun.opened;
  await closing.close();

  const { default: figures } = (await runner.stats()).queues;
  expect(figures).toMatchObject({ added: 3, completed: 1, abandoned: 2, running: 0, pending: 0 });
});

it('P13: what was never started is not waited for', async () => {
  @Injectable()
  class Eager implements OnModuleInit {
    constructor(private readonly runner: TaskRunner) {}

    onModuleInit(): void {
      this.runner.addTask({ name: 'early' }, () => undefined);
      throw new Error('cannot start');
    }
  }
  const log = new LogBook();
  const module = await Test.createTestingModule({ imports: [rootModule({ providers: [Eager] })] })
    .setLogger(log)
    .compile();
  await expect(module.init()).rejects.toThrow('cannot start');

  // Nest 11 tells once more, from close(), why it could not start, and calls no hooks.
  let hasClosed = true;
  const closed = module.close().catch(() => {
    hasClosed = false;
  });
  await closed;
  const lines = log.ofTasks('error').map(({ message }) => message);
  expect(lines).toHaveLength(hasClosed ? 1 : 0);
  expect(lines.join()).toMatch(hasClosed ? /^Task early \(.+\) was abandoned/ : /^$/);
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
  const log = new LogBook();
  const microservice = await NestFactory.createMicroservice<TcpOptions>(
    rootModule({ options: { drainTimeout: 50 }, controllers: [StuckController] }),
    {
      transport: Transport.TCP,
      options: { host: '127.0.0.1', port: 0 },
      logger: log,
      abortOnError: false,
    },
  );
  app = microservice;
  await microservice.listen();
  const history = new History(microservice.get(TaskRunner));
  const { port } = microservice.unwrap<Server>().address() as AddressInfo;
  const client = ClientProxyFactory.create({
    transport: Transport.TCP,
    options: { host: '127.0.0.1', port },
  });
  const answer = firstValueFrom(client.send('stuck', 'collected')).catch(() => 'none');
  await begun.opened;

  await microservice.close();
  expect(await answer).toBe('none');
  expect(history.names('abandoned')).toEqual(['collected']);
  expect(log.ofTasks('error').map(({ message }) => message)).toEqual([
    expect.stringMatching(/^Task collected \(.+\) was abandoned/),
  ]);
});

onEachPlatform((platform) => {
  it('P13: a response that closes as the application does has released its tasks', async () => {
    const seen: string[] = [];
    const closed = new Gate();

    @Injectable()
    class Database implements OnModuleDestroy {
      onModuleDestroy(): void {
        seen.push('the database closes');
      }
    }

    @Controller()
    class LastController {
      @Get('last')
      last(@Tasks() tasks: BackgroundTasks): void {
        tasks.addTask(() => void seen.push('the task'));
      }
    }
    const closing = await startApp(platform, {
      controllers: [LastController],
      providers: [Database],
      configure: (nest) => {
        nest.use((_request: unknown, response: ServerResponse, next: () => void) => {
          response.once('close', () => void nest.close().then(closed.open));
          next();
        });
      },
    });

    await closing.request('/last');
    await closed.opened;
    expect(seen).toEqual(['the task', 'the database closes']);
  });

  it('P13: requests that keep coming do not use up the time of the tasks', async () => {
    let served = 0;

    @Controller()
    class BusyController {
      @Get('busy')
      busy(@Tasks() tasks: BackgroundTasks): string {
        served += 1;
        // Longer than until the next request: at no time is there nothing left.
        tasks.addTask({ name: 'busy' }, () => new Promise((resolve) => setTimeout(resolve, 50)));
        return 'served';
      }
    }
    const busy = await startApp(platform, {
      options: { drainTimeout: '2s', queues: { default: { concurrency: 50 } } },
      controllers: [BusyController],
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
