import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import { afterEach } from '@jest/globals';
import type { INestApplicationContext, INestMicroservice, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientProxyFactory,
  Transport,
  type ClientProxy,
  type TcpOptions,
} from '@nestjs/microservices';
import { WebSocket } from 'ws';
import { LogBook } from '../../support/log-book.js';
import { EXPRESS, FASTIFY, type Platform } from './platforms.js';

const TCP: TcpOptions = { transport: Transport.TCP, options: { host: '127.0.0.1', port: 0 } };

/** An application that gets messages over TCP, and a client of it. Both are closed after the test. */
export interface Serving {
  readonly app: INestApplicationContext;
  readonly client: ClientProxy;
  readonly log: LogBook;
}

type Start = (root: Type) => Promise<Serving>;

export const startMicroservice: Start = async (root) => {
  const log = new LogBook();
  const app = await NestFactory.createMicroservice(root, {
    ...TCP,
    logger: log,
    abortOnError: false,
  });
  await app.listen();
  return serving(app, app, log);
};

function startHybrid({ createAdapter }: Platform, inheritAppConfig: boolean): Start {
  return async (root) => {
    const log = new LogBook();
    const app = await NestFactory.create(root, createAdapter(), {
      logger: log,
      abortOnError: false,
    });
    const microservice = app.connectMicroservice<TcpOptions>(TCP, { inheritAppConfig });
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');
    return serving(app, microservice, log);
  };
}

export const SERVERS: readonly (readonly [string, Start])[] = [
  ['a microservice', startMicroservice],
  ['a hybrid application on Express', startHybrid(EXPRESS, false)],
  ['a hybrid application on Fastify that inherits', startHybrid(FASTIFY, true)],
];

function serving(
  app: INestApplicationContext,
  microservice: INestMicroservice,
  log: LogBook,
): Serving {
  const { port } = microservice.unwrap<Server>().address() as AddressInfo;
  const options = { host: '127.0.0.1', port };
  const client = ClientProxyFactory.create({ transport: Transport.TCP, options });
  closing.push(
    () => client.close(),
    () => app.close(),
  );
  return { app, client, log };
}

/** A client of a gateway, which is gone after the test. */
export class Socket {
  private constructor(private readonly socket: WebSocket) {}

  static async open(port: number): Promise<Socket> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`);
    closing.push(() => socket.terminate());
    await once(socket, 'open');
    return new Socket(socket);
  }

  send(event: string): void {
    this.socket.send(JSON.stringify({ event, data: '' }));
  }

  /** Resolves to the next message. */
  async answer(): Promise<unknown> {
    const [message] = (await once(this.socket, 'message')) as [Buffer];
    return JSON.parse(message.toString());
  }

  async leave(): Promise<void> {
    this.socket.terminate();
    await once(this.socket, 'close');
  }
}

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) {
    await close();
  }
});
