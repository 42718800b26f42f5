import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import type { INestApplication, INestApplicationContext, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientProxyFactory,
  Transport,
  type ClientProxy,
  type TcpOptions,
} from '@nestjs/microservices';
import { WsAdapter } from '@nestjs/platform-ws';
import { catchError, EMPTY, firstValueFrom, toArray } from 'rxjs';
import { WebSocket } from 'ws';
import { Waiting } from '../../support/waiting.js';
import { EXPRESS, FASTIFY, type Platform } from './platforms.js';
import { portOf } from './port-of.js';

const TCP: TcpOptions = { transport: Transport.TCP, options: { host: '127.0.0.1', port: 0 } };
const OPTIONS = { logger: false, abortOnError: false } as const;

/** An application that gets messages, and a client of it. */
export interface Channel {
  readonly app: INestApplicationContext;
  /**
   * Resolves to what is answered. A message named like "… event" is sent as an event.
   *
   * @param count how many answers a gateway gives: nothing says which is the last one
   */
  send(message: string, count: number): Promise<unknown[]>;
  /** The client breaks its connection. */
  leave(): Promise<void>;
  close(): Promise<void>;
}

type Start = (root: Type) => Promise<Channel>;

export const startMicroservice: Start = async (root) => {
  const app = await NestFactory.createMicroservice(root, { ...TCP, ...OPTIONS });
  await app.listen();
  return new RpcChannel(app, app.unwrap<Server>());
};

function hybrid({ createAdapter }: Platform, inheritAppConfig: boolean): Start {
  return async (root) => {
    const app = await NestFactory.create(root, createAdapter(), OPTIONS);
    const microservice = app.connectMicroservice<TcpOptions>(TCP, { inheritAppConfig });
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');
    return new RpcChannel(app, microservice.unwrap<Server>());
  };
}

function gateway({ createAdapter }: Platform): Start {
  return async (root) => {
    const app = await NestFactory.create(root, createAdapter(), OPTIONS);
    app.useWebSocketAdapter(new WsAdapter(app));
    await app.listen(0, '127.0.0.1');
    const channel = new SocketChannel(app);
    await channel.open();
    return channel;
  };
}

/** The ways by which messages come to an application. */
export const TRANSPORTS = [
  { name: 'a microservice', isGateway: false, start: startMicroservice },
  { name: 'a hybrid application on Express', isGateway: false, start: hybrid(EXPRESS, false) },
  {
    name: 'a hybrid application on Fastify that inherits',
    isGateway: false,
    start: hybrid(FASTIFY, true),
  },
  { name: 'a gateway on Express', isGateway: true, start: gateway(EXPRESS) },
  { name: 'a gateway on Fastify', isGateway: true, start: gateway(FASTIFY) },
];

class RpcChannel implements Channel {
  private readonly client: ClientProxy;

  constructor(
    readonly app: INestApplicationContext,
    server: Server,
  ) {
    const { port } = server.address() as AddressInfo;
    const options = { host: '127.0.0.1', port };
    this.client = ClientProxyFactory.create({ transport: Transport.TCP, options });
  }

  send(message: string): Promise<unknown[]> {
    const answers = message.endsWith(' event')
      ? this.client.emit<unknown>(message, '')
      : this.client.send<unknown>(message, '');
    return firstValueFrom(
      answers.pipe(
        catchError(() => EMPTY),
        toArray(),
      ),
    );
  }

  async leave(): Promise<void> {
    await this.client.close();
  }

  async close(): Promise<void> {
    await this.leave();
    await this.app.close();
  }
}

class SocketChannel implements Channel {
  private readonly socket: WebSocket;
  private readonly received: unknown[] = [];
  private readonly waiting = new Waiting();

  constructor(readonly app: INestApplication) {
    this.socket = new WebSocket(`ws://127.0.0.1:${portOf(app)}`);
    this.socket.on('message', (message: Buffer) => {
      this.received.push(JSON.parse(message.toString()));
      this.waiting.lookAgain();
    });
  }

  async open(): Promise<void> {
    await once(this.socket, 'open');
  }

  async send(message: string, count: number): Promise<unknown[]> {
    this.received.length = 0;
    this.socket.send(JSON.stringify({ event: message, data: '' }));
    await this.waiting.until(() => this.received.length >= count);
    return this.received.slice(0, count);
  }

  async leave(): Promise<void> {
    this.socket.terminate();
    await once(this.socket, 'close');
  }

  async close(): Promise<void> {
    this.socket.terminate();
    await this.app.close();
  }
}
