import { once } from 'node:events';
import { expect, it } from '@jest/globals';
import {
  ClassSerializerInterceptor,
  Controller,
  Get,
  Inject,
  Post,
  UseInterceptors,
  UsePipes,
  ValidationPipe,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { GraphQLModule, Query, Resolver } from '@nestjs/graphql';
import {
  ClientProxyFactory,
  MessagePattern,
  Transport,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  BackgroundTasks,
  BackgroundTasksInterceptor,
  TaskHandle,
  TaskRunner,
  Tasks,
} from 'nestjs-background-tasks';
import { firstValueFrom } from 'rxjs';
import { WebSocket } from 'ws';
import { LogBook } from './support/log-book.js';
import { onEachPlatform } from './support/platforms.js';
import { listen, startApp } from './support/running-app.js';
import { rootModule } from './support/root-module.js';

const walkingPipe = (): ValidationPipe =>
  new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    validateCustomDecorators: true,
  });

const mail = (): void => undefined;

const handle = (name: string) => ({
  id: expect.stringMatching(/^[\da-f-]{36}$/),
  name,
  queue: 'default',
  status: 'collected',
});

@Controller()
@UsePipes(walkingPipe())
class MailController {
  constructor(
    @Inject(TaskRunner) private readonly runner: TaskRunner,
    @Inject(BackgroundTasksInterceptor) private readonly interceptor: BackgroundTasksInterceptor,
  ) {}

  @Post('mail')
  @UseInterceptors(ClassSerializerInterceptor)
  async mail(@Tasks() tasks: BackgroundTasks): Promise<object> {
    const added = tasks.addTask({ name: 'mail' }, mail);
    const last = tasks.chain().addTask({ name: 'last' }, mail);
    return { handle: added, handles: [last], info: await this.runner.list({ name: 'mail' }) };
  }

  @Get('handle')
  @UseInterceptors(ClassSerializerInterceptor)
  handle(@Tasks() tasks: BackgroundTasks): TaskHandle {
    return tasks.addTask({ name: 'mail' }, mail);
  }

  @Get('all')
  @UseInterceptors(ClassSerializerInterceptor)
  all(@Tasks() tasks: BackgroundTasks): object {
    return { tasks, runner: this.runner, interceptor: this.interceptor };
  }

  @MessagePattern('mail')
  message(@Tasks() tasks: BackgroundTasks): string {
    return tasks.addTask({ name: 'mail' }, mail).name;
  }
}

@Controller('injected')
class InjectedController {
  constructor(private readonly tasks: BackgroundTasks) {}

  @Post()
  add(): string {
    return this.tasks.addTask({ name: 'injected' }, mail).name;
  }
}

@WebSocketGateway()
@UsePipes(walkingPipe())
class MailGateway {
  @SubscribeMessage('mail')
  message(@Tasks() tasks: BackgroundTasks): object {
    return { event: 'added', data: tasks.addTask({ name: 'mail' }, mail).name };
  }
}

@Resolver()
@UsePipes(walkingPipe())
class MailResolver {
  @Query(() => String)
  mail(@Tasks() tasks: BackgroundTasks): string {
    return tasks.addTask({ name: 'mail' }, mail).name;
  }
}

onEachPlatform((platform) => {
  it('R3, P20: a pipe that transforms everything and a serialiser find data, and the tasks run', async () => {
    const app = await startApp(platform, { controllers: [MailController] });
    const { status, body } = await app.request('/mail', { method: 'POST' });
    expect(status).toBe(201);
    expect(JSON.parse(body)).toEqual({
      handle: handle('mail'),
      handles: [handle('last')],
      info: [expect.objectContaining({ ...handle('mail'), args: [] })],
    });
    await app.untilSettled(2);
    expect(app.names('completed')).toEqual(['mail', 'last']);

    expect(JSON.parse((await app.request('/handle')).body)).toEqual(handle('mail'));
    const all = JSON.parse((await app.request('/all')).body) as object;
    expect(all).toEqual({ tasks: {}, runner: {}, interceptor: {} });
  });

  it('R3, P20: so it does behind a proxy around all that the container makes', async () => {
    const log = new LogBook();
    const nest = await NestFactory.create(
      rootModule({ controllers: [MailController, InjectedController] }),
      platform.createAdapter(),
      {
        logger: log,
        abortOnError: false,
        instrument: {
          instanceDecorator: (instance: unknown) =>
            typeof instance === 'object' && instance !== null && !(instance instanceof Map)
              ? new Proxy(instance, { get: (...args) => Reflect.get(...args) as unknown })
              : instance,
        },
      },
    );
    const app = await listen(nest, log, {});
    for (const path of ['/mail', '/injected']) {
      expect((await app.request(path, { method: 'POST' })).status).toBe(201);
    }
    await app.untilSettled(3);
    const runner = nest.get(TaskRunner);
    await runner.addTask({ name: 'outside' }, mail).whenSettled();
    expect(app.names('completed')).toEqual(['mail', 'last', 'injected', 'outside']);
  });

  it('R3, P20: over WebSocket', async () => {
    const app = await startApp(platform, {
      providers: [MailGateway],
      configure: (nest) => void nest.useWebSocketAdapter(new WsAdapter(nest)),
    });
    const socket = new WebSocket(`ws://127.0.0.1:${app.port}`);
    await once(socket, 'open');
    const answered = once(socket, 'message');
    socket.send(JSON.stringify({ event: 'mail' }));
    const [message] = (await answered) as [Buffer];
    expect(message.toString()).toBe('{"event":"added","data":"mail"}');
    await app.untilSettled(1);
    socket.terminate();
  });

  it('R3, P20: over GraphQL', async () => {
    const app = await startApp(platform, {
      imports: [
        GraphQLModule.forRoot<ApolloDriverConfig>({
          driver: ApolloDriver,
          autoSchemaFile: true,
          playground: false,
        }),
      ],
      providers: [MailResolver],
    });
    const { body } = await app.request('/graphql', { method: 'POST', body: { query: '{ mail }' } });
    expect(JSON.parse(body)).toEqual({ data: { mail: 'mail' } });
    await app.untilSettled(1);
  });

  it('R3, P20: over RPC', async () => {
    const app = await startApp(platform, { controllers: [MailController] });
    const options = { host: '127.0.0.1', port: 0 };
    const microservice = app.nest.connectMicroservice<MicroserviceOptions>(
      { transport: Transport.TCP, options },
      { inheritAppConfig: true },
    );
    await app.nest.startAllMicroservices();
    const { port } = microservice.unwrap<import('node:net').Server>().address() as { port: number };
    const client = ClientProxyFactory.create({
      transport: Transport.TCP,
      options: { ...options, port },
    });
    expect(await firstValueFrom(client.send<string>('mail', {}))).toBe('mail');
    await app.untilSettled(1);
    await client.close();
  });
});
