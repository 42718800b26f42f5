import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  type INestApplicationContext,
  Injectable,
  type OnModuleDestroy,
  StreamableFile,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientProxyFactory,
  MessagePattern,
  Payload,
  type TcpOptions,
  Transport,
} from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';
import { Background, type BackgroundTasks, TaskRunner, Tasks } from 'nestjs-background-tasks';
import { open } from '../support/client.js';
import { History } from '../support/history.js';
import { LogBook } from '../support/log-book.js';
import { type Platform, onEachPlatform } from '../support/platforms.js';
import { type AppSetup, rootModule } from '../support/root-module.js';
import { type RunningApp, startApp } from '../support/running-app.js';
import { Gate } from '../support/time.js';

let opened: INestApplicationContext | undefined;

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
  opened = await NestFactory.createApplicationContext(
    rootModule({ options, providers: [Mailer] }),
    {
      logger: log,
      abortOnError: false,
    },
  );
  const runner = opened.get(TaskRunner);
  return { app: opened, runner, history: new History(runner), log };
}

describe('app close', () => {
  afterEach(async () => {
    await opened?.close();
    opened = undefined;
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
    opened = microservice;
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

async function startClosing(platform: Platform): Promise<Closing> {
  const begun = new Gate();
  const end = new Gate();
  const isClosing = new Gate();
  const seen: string[] = [];

  @Injectable()
  class Database implements OnModuleDestroy {
    onModuleDestroy(): void {
      seen.push('the database closes');
      isClosing.open();
    }
  }

  @Controller()
  class ClosingController {
    @Get('quick')
    quick(@Tasks() tasks: BackgroundTasks): void {
      tasks.addTask(async () => {
        begun.open();
        await end.opened;
        seen.push('the task ends');
      });
    }

    @Get('in-flight')
    async inFlight(@Tasks() tasks: BackgroundTasks): Promise<string> {
      tasks.addTask(() => void seen.push('the task ends'));
      begun.open();
      await end.opened;
      return 'in time';
    }

    @Get('endless')
    endless(@Tasks() tasks: BackgroundTasks): StreamableFile {
      tasks.addTask(() => void seen.push('the task ends'));
      const chunk = Buffer.alloc(64 * 1024);
      return new StreamableFile(
        new Readable({
          read(): void {
            this.push(chunk);
          },
        }),
      );
    }
  }

  const app = await startApp(platform, { controllers: [ClosingController], providers: [Database] });
  return { app, begun, end, seen, isClosing };
}

onEachPlatform((platform) => {
  it('P13: app.close() waits for the task that runs before it closes anything', async () => {
    const { app, begun, end, seen } = await startClosing(platform);

    await app.request('/quick');
    await begun.opened;
    const closed = app.nest.close();
    end.open();
    await closed;

    expect(seen).toEqual(['the task ends', 'the database closes']);
  });

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
});
