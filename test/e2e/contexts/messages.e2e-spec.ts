import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  type INestApplicationContext,
  type INestMicroservice,
  Injectable,
  Module,
  type Type,
  UseInterceptors,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  type ClientProxy,
  ClientProxyFactory,
  EventPattern,
  MessagePattern,
  Payload,
  RpcException,
  type TcpOptions,
  Transport,
} from '@nestjs/microservices';
import { WsAdapter } from '@nestjs/platform-ws';
import { MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { type Observable, concat, defer, firstValueFrom, lastValueFrom, of, toArray } from 'rxjs';
import { WebSocket } from 'ws';
import {
  Background,
  BackgroundTasks,
  BackgroundTasksInterceptor,
  TaskRunner,
  Tasks,
} from 'nestjs-background-tasks';
import { History } from '../support/history.js';
import { NEST_MAJOR } from '../support/nest-major.js';
import { EXPRESS, FASTIFY, type Platform, onEachPlatform } from '../support/platforms.js';
import { rootModule } from '../support/root-module.js';
import { type RunningApp, startApp } from '../support/running-app.js';
import { Gate, turns } from '../support/time.js';

const PAID = { event: 'paid' };

@Injectable()
class Ledger {
  readonly entries: string[] = [];
  readonly begun = new Gate();
  readonly end = new Gate();

  readonly write = (entry: string): void => void this.entries.push(entry);

  @Background()
  async record(entry: string): Promise<void> {
    this.entries.push(entry);
  }
}

@Controller()
class PaymentsController {
  constructor(private readonly ledger: Ledger) {}

  @MessagePattern('pay')
  async pay(@Payload() name: string, @Tasks() tasks: BackgroundTasks): Promise<string> {
    tasks.addTask({ name: `paid ${name}` }, this.ledger.write, `paid ${name}`);
    tasks.addTask({ name: `refund ${name}`, when: 'failure' }, this.ledger.write, `refund ${name}`);
    this.ledger.begun.open();
    await this.ledger.end.opened;
    if (name === 'bad') {
      throw new RpcException('no funds');
    }
    return name;
  }

  @MessagePattern('record')
  async record(@Payload() name: string): Promise<string> {
    await this.ledger.record(name);
    this.ledger.begun.open();
    await this.ledger.end.opened;
    return name;
  }

  @MessagePattern('count')
  count(@Tasks() tasks: BackgroundTasks): Observable<number> {
    tasks.addTask(this.ledger.write, 'counted');
    return concat(
      of(1),
      defer(async () => {
        this.ledger.begun.open();
        await this.ledger.end.opened;
        return 2;
      }),
    );
  }

  // With a string for its pattern, Nest types all arguments but the first as unknown.
  @EventPattern(PAID)
  async paid(@Payload() name: string, @Tasks() tasks: BackgroundTasks): Promise<void> {
    tasks.addTask({ name: `booked ${name}` }, this.ledger.write, `booked ${name}`);
    tasks.addTask({ name: `alarm ${name}`, when: 'failure' }, this.ledger.write, `alarm ${name}`);
    this.ledger.begun.open();
    await this.ledger.end.opened;
    if (name === 'bad') {
      throw new Error('unknown payment');
    }
  }
}

/** Made anew for each message, as whatever injects the collection is. */
@Controller()
class ScopedController {
  constructor(
    private readonly tasks: BackgroundTasks,
    private readonly ledger: Ledger,
  ) {}

  @MessagePattern('payScoped')
  async pay(@Payload() name: string): Promise<string> {
    this.tasks.addTask({ name: `paid ${name}` }, this.ledger.write, `paid ${name}`);
    this.ledger.begun.open();
    await this.ledger.end.opened;
    if (name === 'bad') {
      throw new RpcException('no funds');
    }
    return name;
  }
}

const AppModule = (): Type =>
  rootModule({ providers: [Ledger], controllers: [PaymentsController, ScopedController] });
const TCP: TcpOptions = { transport: Transport.TCP, options: { host: '127.0.0.1', port: 0 } };

interface Serving {
  readonly app: INestApplicationContext;
  readonly microservice: INestMicroservice;
}

async function startStandalone(): Promise<Serving> {
  const app = await NestFactory.createMicroservice(AppModule(), {
    ...TCP,
    logger: false,
    abortOnError: false,
  });
  await app.listen();
  return { app, microservice: app };
}

function startHybrid(createAdapter: typeof EXPRESS.createAdapter, inheritAppConfig: boolean) {
  return async (): Promise<Serving> => {
    const app = await NestFactory.create(AppModule(), createAdapter(), {
      logger: false,
      abortOnError: false,
    });
    const microservice = app.connectMicroservice<TcpOptions>(TCP, { inheritAppConfig });
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');
    return { app, microservice };
  };
}

let running: { readonly app: INestApplicationContext; readonly client: ClientProxy } | undefined;

function clientOf(microservice: INestMicroservice): ClientProxy {
  const { port } = microservice.unwrap<Server>().address() as AddressInfo;
  return ClientProxyFactory.create({
    transport: Transport.TCP,
    options: { host: '127.0.0.1', port },
  });
}

describe('rpc', () => {
  afterEach(async () => {
    await running?.client.close();
    await running?.app.close();
    running = undefined;
  });

  describe.each([
    { kind: 'a standalone microservice', start: startStandalone },
    {
      kind: 'a hybrid application on Express with inheritAppConfig',
      start: startHybrid(EXPRESS.createAdapter, true),
    },
    {
      kind: 'a hybrid application on Fastify',
      start: startHybrid(FASTIFY.createAdapter, false),
    },
  ])('in $kind', ({ start }) => {
    async function serve(): Promise<{ client: ClientProxy; history: History; ledger: Ledger }> {
      const { app, microservice } = await start();
      const client = clientOf(microservice);
      running = { app, client };
      return { client, history: new History(app.get(TaskRunner)), ledger: app.get(Ledger) };
    }

    it.each(['pay', 'payScoped', 'record'])(
      'P6: the tasks of a message handler wait for its completion (%s)',
      async (pattern) => {
        const { client, history, ledger } = await serve();

        const reply = firstValueFrom(client.send<string>(pattern, 'good'));
        await ledger.begun.opened;
        await turns(3);
        expect(history.names('added')).not.toEqual([]);
        expect(history.names('queued')).toEqual([]);
        ledger.end.open();
        expect(await reply).toBe('good');
        await history.untilIdle();

        expect(ledger.entries).toEqual([pattern === 'record' ? 'good' : 'paid good']);
      },
    );

    it('P6: a failed message handler drops its tasks, and those for a failure run', async () => {
      const { client, history, ledger } = await serve();

      ledger.end.open();
      await expect(firstValueFrom(client.send('pay', 'bad'))).rejects.toMatchObject({
        message: 'no funds',
      });
      await expect(firstValueFrom(client.send('payScoped', 'bad'))).rejects.toMatchObject({
        message: 'no funds',
      });
      await history.untilIdle();

      expect(ledger.entries).toEqual(['refund bad']);
      expect(history.names('dropped')).toEqual(['paid bad', 'paid bad']);
    });

    it('P6: the tasks of a handler that answers with a stream wait for its last value', async () => {
      const { client, history, ledger } = await serve();

      const values = lastValueFrom(client.send<number>('count', '').pipe(toArray()));
      await ledger.begun.opened;
      await turns(3);
      expect(history.names('queued')).toEqual([]);
      ledger.end.open();
      expect(await values).toEqual([1, 2]);
      await history.untilIdle();

      expect(ledger.entries).toEqual(['counted']);
    });

    it('P6: the tasks of an event handler wait for its completion', async () => {
      const { client, history, ledger } = await serve();

      await lastValueFrom(client.emit(PAID, 'good'), { defaultValue: undefined });
      await ledger.begun.opened;
      await turns(3);
      expect(history.names('added')).toEqual(['booked good', 'alarm good']);
      expect(history.names('queued')).toEqual([]);
      ledger.end.open();
      await history.untilSettled(2);

      expect(ledger.entries).toEqual(['booked good']);
      expect(history.names('dropped')).toEqual(['alarm good']);
    });

    it('P6: a failed event handler drops its tasks, and those for a failure run', async () => {
      const { client, history, ledger } = await serve();

      ledger.end.open();
      await lastValueFrom(client.emit(PAID, 'bad'), { defaultValue: undefined });
      await history.untilSettled(2);

      expect(ledger.entries).toEqual(['alarm bad']);
      expect(history.names('dropped')).toEqual(['booked bad']);
    });
  });

  it('P15: the handlers of a class serve an application without the module all the same', async () => {
    @Controller()
    class EchoController {
      @MessagePattern('echo')
      echo(@Payload() text: string): string {
        return text;
      }
    }
    @Module({ controllers: [EchoController] })
    class PlainModule {}

    const replies: string[] = [];
    for (const module of [rootModule({ imports: [PlainModule] }), PlainModule]) {
      const app = await NestFactory.createMicroservice(module, {
        ...TCP,
        logger: false,
        abortOnError: false,
      });
      await app.listen();
      const client = clientOf(app);
      replies.push(await firstValueFrom(client.send<string>('echo', module.name)));
      await client.close();
      await app.close();
    }

    expect(replies).toEqual(['RootModule', 'PlainModule']);
  });
});

// Nest 11 has no global interceptors of gateways.
@UseInterceptors(...(NEST_MAJOR < 12 ? [BackgroundTasksInterceptor] : []))
@WebSocketGateway()
class PaymentsGateway {
  constructor(private readonly ledger: Ledger) {}

  @SubscribeMessage('pay')
  async pay(@MessageBody() name: string, @Tasks() tasks: BackgroundTasks): Promise<object> {
    tasks.addTask({ name: `paid ${name}` }, this.ledger.write, `paid ${name}`);
    tasks.addTask({ name: `refund ${name}`, when: 'failure' }, this.ledger.write, `refund ${name}`);
    this.ledger.begun.open();
    await this.ledger.end.opened;
    if (name === 'bad') {
      throw new WsException('no funds');
    }
    return { event: 'paid', data: name };
  }

  @SubscribeMessage('record')
  async record(@MessageBody() name: string): Promise<object> {
    await this.ledger.record(name);
    this.ledger.begun.open();
    await this.ledger.end.opened;
    return { event: 'recorded', data: name };
  }

  @SubscribeMessage('count')
  count(@Tasks() tasks: BackgroundTasks): Observable<object> {
    tasks.addTask(this.ledger.write, 'counted');
    return concat(
      of({ event: 'count', data: 1 }),
      defer(async () => {
        this.ledger.begun.open();
        await this.ledger.end.opened;
        return { event: 'count', data: 2 };
      }),
    );
  }
}

let socketClient: WebSocket | undefined;

async function startGateway(
  platform: Platform,
): Promise<{ app: RunningApp; ledger: Ledger; socket: WebSocket }> {
  const app = await startApp(platform, {
    providers: [Ledger, PaymentsGateway],
    configure: (nest) => void nest.useWebSocketAdapter(new WsAdapter(nest)),
  });
  const socket = new WebSocket(`ws://127.0.0.1:${app.port}`);
  socketClient = socket;
  await once(socket, 'open');
  return { app, ledger: app.nest.get(Ledger), socket };
}

function ask(socket: WebSocket, event: string, data: string): void {
  socket.send(JSON.stringify({ event, data }));
}

async function answer(socket: WebSocket): Promise<unknown> {
  const [message] = (await once(socket, 'message')) as [Buffer];
  return JSON.parse(message.toString());
}

describe('websocket', () => {
  afterEach(() => {
    socketClient?.terminate();
  });

  onEachPlatform((platform) => {
    it.each([
      { message: 'pay', event: 'paid', entry: 'paid good' },
      { message: 'record', event: 'recorded', entry: 'good' },
    ])(
      'P6: the tasks of a gateway wait for the completion of its handler ($message)',
      async ({ message, event, entry }) => {
        const { app, ledger, socket } = await startGateway(platform);

        ask(socket, message, 'good');
        await ledger.begun.opened;
        await turns(3);
        expect(app.names('added')).not.toEqual([]);
        expect(app.names('queued')).toEqual([]);
        const reply = answer(socket);
        ledger.end.open();
        expect(await reply).toEqual({ event, data: 'good' });
        await app.runner.whenIdle();

        expect(ledger.entries).toEqual([entry]);
      },
    );

    it('P6: a failed handler of a gateway drops its tasks, and those for a failure run', async () => {
      const { app, ledger, socket } = await startGateway(platform);

      ledger.end.open();
      ask(socket, 'pay', 'bad'); // from Nest 12 on the client is told of the exception
      await app.untilSettled(2);

      expect(ledger.entries).toEqual(['refund bad']);
      expect(app.names('dropped')).toEqual(['paid bad']);
    });

    it('P6: the tasks of a handler that answers with a stream wait for its last value', async () => {
      const { app, ledger, socket } = await startGateway(platform);

      ask(socket, 'count', '');
      expect(await answer(socket)).toEqual({ event: 'count', data: 1 });
      await ledger.begun.opened;
      await turns(3);
      expect(app.names('queued')).toEqual([]);
      const reply = answer(socket);
      ledger.end.open();
      expect(await reply).toEqual({ event: 'count', data: 2 });
      await app.untilSettled(1);

      expect(ledger.entries).toEqual(['counted']);
    });

    it('P4: a client of a gateway that leaves changes nothing', async () => {
      const { app, ledger, socket } = await startGateway(platform);

      ask(socket, 'pay', 'good');
      await ledger.begun.opened;
      socket.terminate();
      await once(socket, 'close');
      ledger.end.open();
      await app.untilSettled(2);

      expect(ledger.entries).toEqual(['paid good']);
    });
  });
});
