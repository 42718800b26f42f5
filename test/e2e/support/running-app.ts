import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { TaskRunner, type TaskEvent } from 'nestjs-background-tasks';
import { send, type Reply, type RequestOptions } from './client.js';
import { LogBook } from './log-book.js';
import type { Platform } from './platforms.js';
import { rootModule, type AppSetup } from './root-module.js';
import { now } from './time.js';

const SETTLED = ['completed', 'failed', 'cancelled', 'dropped', 'abandoned'] as const;

export type SettledEvent = Extract<TaskEvent, { type: (typeof SETTLED)[number] }>;

/** An application that listens, and what has happened to its tasks since it was made. */
export class RunningApp {
  readonly history: TaskEvent[] = [];
  readonly runner: TaskRunner;
  private readonly closedAt = new Map<string, number>();
  private waiting: { readonly isOver: () => boolean; readonly resolve: () => void }[] = [];

  constructor(
    readonly nest: INestApplication,
    readonly log: LogBook,
  ) {
    this.runner = nest.get(TaskRunner);
    this.runner.events.subscribe((event) => {
      this.history.push(event);
      this.lookAgain();
    });
    const server = nest.getHttpServer() as Server;
    // Before the framework's, which may change the URL while it looks for a route.
    server.prependListener('request', ({ url = '' }: IncomingMessage, response: ServerResponse) => {
      response.once('close', () => {
        this.closedAt.set(url, now());
        this.lookAgain();
      });
    });
  }

  get port(): number {
    return ((this.nest.getHttpServer() as Server).address() as AddressInfo).port;
  }

  request(path: string, options?: RequestOptions): Promise<Reply> {
    return send(this.port, path, options);
  }

  /** The names of the tasks with an event of this type, in the order it happened. */
  names(type: TaskEvent['type']): string[] {
    return this.history.filter((event) => event.type === type).map(({ name }) => name);
  }

  get settled(): SettledEvent[] {
    return this.history.filter((event): event is SettledEvent =>
      (SETTLED as readonly string[]).includes(event.type),
    );
  }

  /** Resolves when as many tasks have settled, since the application was made. */
  async untilSettled(count: number): Promise<SettledEvent[]> {
    await this.until(() => this.settled.length >= count);
    return this.settled;
  }

  /** Resolves when tasks of all these names have had an event of this type. */
  untilSeen(type: TaskEvent['type'], ...names: string[]): Promise<void> {
    return this.until(() => names.every((name) => this.names(type).includes(name)));
  }

  /** Resolves to the time when the server saw the response to `path` close. */
  async untilClosed(path: string): Promise<number> {
    await this.until(() => this.closedAt.has(path));
    return this.closedAt.get(path) ?? Number.NaN;
  }

  private until(isOver: () => boolean): Promise<void> {
    return isOver()
      ? Promise.resolve()
      : new Promise((resolve) => void this.waiting.push({ isOver, resolve }));
  }

  private lookAgain(): void {
    const over = this.waiting.filter(({ isOver }) => isOver());
    this.waiting = this.waiting.filter((each) => !over.includes(each));
    over.forEach(({ resolve }) => resolve());
  }
}

const running: INestApplication[] = [];

/** Started as an application is, on a free port of this machine; closed after the test. */
export async function startApp(platform: Platform, setup: AppSetup): Promise<RunningApp> {
  const log = new LogBook();
  const nest = await NestFactory.create(rootModule(setup), platform.createAdapter(), {
    logger: log,
    abortOnError: false,
  });
  return listen(nest, log, setup);
}

/** The same, made as the tests of an application make it. */
export async function startTestApp(platform: Platform, setup: AppSetup): Promise<RunningApp> {
  const log = new LogBook();
  const module = await Test.createTestingModule({ imports: [rootModule(setup)] }).compile();
  const nest = module.createNestApplication(platform.createAdapter(), { logger: log });
  return listen(nest, log, setup);
}

/** For applications that were made in another way. */
export async function listen(
  nest: INestApplication,
  log: LogBook,
  { configure }: Pick<AppSetup, 'configure'>,
): Promise<RunningApp> {
  running.push(nest);
  configure?.(nest);
  await nest.init();
  const app = new RunningApp(nest, log);
  await nest.listen(0, '127.0.0.1');
  return app;
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((nest) => nest.close()));
});
