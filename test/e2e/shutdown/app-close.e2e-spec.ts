import type { ServerResponse } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { afterEach, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Injectable,
  type INestApplicationContext,
  type OnModuleDestroy,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientProxyFactory,
  MessagePattern,
  Payload,
  Transport,
  type TcpOptions,
} from '@nestjs/microservices';
import { Background, TaskRunner, Tasks, type BackgroundTasks } from 'nestjs-background-tasks';
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
