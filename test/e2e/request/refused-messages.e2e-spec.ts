import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Catch,
  Controller,
  Injectable,
  UseFilters,
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type INestApplicationContext,
  type INestMicroservice,
  type NestInterceptor,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { GraphQLModule, Mutation, Query, Resolver } from '@nestjs/graphql';
import {
  ClientProxyFactory,
  EventPattern,
  MessagePattern,
  Transport,
  type ClientProxy,
  type TcpOptions,
} from '@nestjs/microservices';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { Background, BackgroundTasksInterceptor, TaskRunner } from 'nestjs-background-tasks';
import { catchError, firstValueFrom, lastValueFrom, of, retry, type Observable } from 'rxjs';
import { WebSocket } from 'ws';
import { History } from '../support/history.js';
import { NEST_MAJOR } from '../support/nest-major.js';
import { EXPRESS, FASTIFY, onEachPlatform } from '../support/platforms.js';
import { rootModule } from '../support/root-module.js';
import { startApp } from '../support/running-app.js';
import { Gate, turns } from '../support/time.js';

@Injectable()
class Audit {
  readonly ran: string[] = [];
  readonly begun = new Gate();
  /** Holds a handler up. */
  readonly go = new Gate();

  add(place: string): void {
    void this.onSuccess(place);
    void this.onFailure(place);
  }

  @Background({ when: 'success' })
  async onSuccess(place: string): Promise<void> {
    this.ran.push(`${place}: success`);
  }

  @Background({ when: 'failure' })
  async onFailure(place: string): Promise<void> {
    this.ran.push(`${place}: failure`);
  }
}

@Injectable()
class Admitting implements CanActivate {
  constructor(private readonly audit: Audit) {}

  canActivate(): boolean {
    this.audit.add('guard');
    return true;
  }
}

@Injectable()
class Refusing implements CanActivate {
  constructor(private readonly audit: Audit) {}

  async canActivate(): Promise<boolean> {
    this.audit.add('guard');
    await turns(2);
    return false;
  }
}

/** Answers well for whatever has failed. */
@Catch()
class Excusing implements ExceptionFilter {
  catch(): Observable<string> {
    return of('excused');
  }
}

class Retrying implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(retry(2));
  }
}

@Controller()
@WebSocketGateway()
class Messages {
  private calls = 0;

  constructor(private readonly audit: Audit) {}

  @MessagePattern('admitted')
  @SubscribeMessage('admitted')
  @UseGuards(Admitting)
  async admitted(): Promise<unknown> {
    this.audit.add('handler');
    this.audit.begun.open();
    await this.audit.go.opened;
    return { event: 'answer', data: 'admitted' };
  }

  @MessagePattern('refused')
  @SubscribeMessage('refused')
  @UseGuards(Refusing)
  refused(): void {
    this.audit.add('handler');
  }

  @MessagePattern('excused')
  @UseGuards(Refusing)
  @UseFilters(Excusing)
  excused(): void {
    this.audit.add('handler');
  }

  @EventPattern('event')
  @UseGuards(Refusing)
  event(_data: unknown): void {
    this.audit.add('handler');
  }

  @MessagePattern('retried')
  @UseInterceptors(Retrying, BackgroundTasksInterceptor)
  retried(): string {
    this.calls += 1;
    this.audit.add(`call ${this.calls}`);
    if (this.calls < 3) {
      throw new Error('not yet');
    }
    return 'at last';
  }
}

@Resolver()
class Fields {
  constructor(private readonly audit: Audit) {}

  @Query(() => String)
  read(): string {
    return 'read';
  }

  @Mutation(() => String, { nullable: true })
  @UseGuards(Refusing)
  refused(): string {
    this.audit.add('handler');
    return 'never';
  }

  @Mutation(() => String)
  @UseGuards(Admitting)
  admitted(): string {
    this.audit.add('handler');
    return 'admitted';
  }

  @Mutation(() => String, { nullable: true })
  leftBehind(): string {
    void this.audit.go.opened.then(() => this.audit.add('left behind'));
    throw new Error('no');
  }

  @Mutation(() => String)
  async go(): Promise<string> {
    this.audit.go.open();
    await turns(2);
    return 'went';
  }
}

const TCP: TcpOptions = { transport: Transport.TCP, options: { host: '127.0.0.1', port: 0 } };

interface Serving {
  readonly app: INestApplicationContext;
  readonly microservice: INestMicroservice;
}

async function startStandalone(): Promise<Serving> {
  const root = rootModule({ controllers: [Messages], providers: [Audit] });
  const app = await NestFactory.createMicroservice(root, {
    ...TCP,
    logger: false,
    abortOnError: false,
  });
  await app.listen();
  return { app, microservice: app };
}

function startHybrid(createAdapter: typeof EXPRESS.createAdapter, inheritAppConfig: boolean) {
  return async (): Promise<Serving> => {
    const root = rootModule({ controllers: [Messages], providers: [Audit] });
    const app = await NestFactory.create(root, createAdapter(), {
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
let socket: WebSocket | undefined;

afterEach(async () => {
  await running?.client.close();
  await running?.app.close();
  running = undefined;
  socket?.terminate();
});

describe.each([
  ['a microservice', startStandalone],
  ['a hybrid application on Express', startHybrid(EXPRESS.createAdapter, false)],
  ['a hybrid application on Fastify that inherits', startHybrid(FASTIFY.createAdapter, true)],
])('in %s', (_, start) => {
  async function serve(): Promise<{ client: ClientProxy; history: History; audit: Audit }> {
    const { app, microservice } = await start();
    const { port } = microservice.unwrap<Server>().address() as AddressInfo;
    const client = ClientProxyFactory.create({
      transport: Transport.TCP,
      options: { host: '127.0.0.1', port },
    });
    running = { app, client };
    return { client, history: new History(app.get(TaskRunner)), audit: app.get(Audit) };
  }

  it('P3, R5: what a guard adds waits for the handler, and goes by its end', async () => {
    const { client, history, audit } = await serve();
    const answer = firstValueFrom(client.send<unknown>('admitted', ''));
    await audit.begun.opened;
    await turns(3);
    expect(history.names('queued')).toEqual([]);
    audit.go.open();
    await answer;
    await history.untilSettled(4);
    expect(audit.ran).toEqual(['guard: success', 'handler: success']);
  });

  it('P3, R5: a guard that refuses is a failure', async () => {
    const { client, history, audit } = await serve();
    await firstValueFrom(client.send('refused', '')).catch(() => undefined);
    await history.untilSettled(2);
    expect(audit.ran).toEqual(['guard: failure']);
  });

  it('P3, R5: and so it is for an event', async () => {
    const { client, history, audit } = await serve();
    await lastValueFrom(client.emit('event', ''), { defaultValue: undefined });
    await history.untilSettled(2);
    expect(audit.ran).toEqual(['guard: failure']);
  });

  it('R9: a handler that is called again leaves nothing of its failed calls', async () => {
    const { client, history, audit } = await serve();
    expect(await firstValueFrom(client.send('retried', ''))).toBe('at last');
    await history.untilIdle();
    expect(audit.ran).toEqual(['call 3: success']);
  });
});

it('P3, R5: a refusal that a filter answers well is a failure all the same', async () => {
  const { app, microservice } = await startStandalone();
  const { port } = microservice.unwrap<Server>().address() as AddressInfo;
  const client = ClientProxyFactory.create({
    transport: Transport.TCP,
    options: { host: '127.0.0.1', port },
  });
  running = { app, client };
  const history = new History(app.get(TaskRunner));
  const answer = client.send<string>('excused', '').pipe(catchError(() => of('an error')));
  expect(await firstValueFrom(answer)).toBe('excused');
  await history.untilSettled(2);
  expect(app.get(Audit).ran).toEqual(['guard: failure']);
});

onEachPlatform((platform) => {
  const ADMITTED = ['admitted', ['guard: success', 'handler: success']] as const;
  const REFUSED = ['refused', ['guard: failure']] as const;
  // A gateway of Nest 11 does not tell that its handler has failed.
  it.each(NEST_MAJOR < 12 ? [ADMITTED] : [ADMITTED, REFUSED])(
    'P3, R5: a gateway decides what its guard adds (%s)',
    async (message, expected) => {
      const app = await startApp(platform, {
        providers: [Audit, Messages],
        configure: (nest) => void nest.useWebSocketAdapter(new WsAdapter(nest)),
      });
      const audit = app.nest.get(Audit);
      audit.go.open();
      socket = new WebSocket(`ws://127.0.0.1:${app.port}`);
      await once(socket, 'open');
      socket.send(JSON.stringify({ event: message, data: '' }));
      await app.untilSettled(expected.length * 2);
      expect(audit.ran).toEqual(expected);
    },
  );

  async function ask(query: string): Promise<{ ran: string[]; dropped: string[] }> {
    const app = await startApp(platform, {
      imports: [
        GraphQLModule.forRoot<ApolloDriverConfig>({
          driver: ApolloDriver,
          autoSchemaFile: true,
          playground: false,
        }),
      ],
      providers: [Audit, Fields],
    });
    const reply = await app.request('/graphql', { method: 'POST', body: { query } });
    expect(reply.status).toBe(200);
    await app.untilSettled(app.names('added').length);
    return { ran: app.nest.get(Audit).ran, dropped: app.names('dropped') };
  }

  it('P3, R5: a refused root field of GraphQL has failed, though its answer is a 200', async () => {
    const { ran } = await ask('mutation { refused admitted }');
    expect(ran).toEqual(['guard: failure', 'guard: success', 'handler: success']);
  });

  it('P3, R5: what a root field leaves behind goes by its end', async () => {
    const { ran } = await ask('mutation { leftBehind go }');
    expect(ran).toEqual(['left behind: failure']);
  });
});
