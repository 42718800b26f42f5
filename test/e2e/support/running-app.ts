import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll } from '@jest/globals';
import type { INestApplication, NestApplicationOptions, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TaskRunner } from 'nestjs-background-tasks';
import { send, type Reply, type RequestOptions } from './client.js';
import { History } from './history.js';
import { LogBook } from '../../support/log-book.js';
import type { Platform } from './platforms.js';
import { portOf } from './port-of.js';
import { rootModule, type AppSetup } from './root-module.js';
import { now } from './time.js';

/** An application that listens, and what has happened to its tasks since it was made. */
export class RunningApp extends History {
  private readonly closedAt = new Map<string, number>();

  constructor(
    readonly nest: INestApplication,
    readonly log: LogBook,
  ) {
    super(nest.get(TaskRunner));
    const server = nest.getHttpServer() as Server;
    // Before the framework's, which may change the URL while it looks for a route.
    server.prependListener('request', ({ url = '' }: IncomingMessage, response: ServerResponse) => {
      response.once('close', () => {
        this.closedAt.set(url, now());
        this.waiting.lookAgain();
      });
    });
  }

  get port(): number {
    return portOf(this.nest);
  }

  request(path: string, options?: RequestOptions): Promise<Reply> {
    return send(this.port, path, options);
  }

  /** Resolves to the time when the server saw the response to `path` close. */
  async untilClosed(path: string): Promise<number> {
    await this.waiting.until(() => this.closedAt.has(path));
    return this.closedAt.get(path) ?? Number.NaN;
  }

  /** Whether all of the tasks that have started did so when the response to `path` had closed. */
  async hasStartedAfter(path: string): Promise<boolean> {
    const closedAt = await this.untilClosed(path);
    return this.events.every(({ type, at }) => type !== 'started' || at >= closedAt);
  }

  override forget(): void {
    super.forget();
    this.closedAt.clear();
  }
}

const running: INestApplication[] = [];

/**
 * Started as an application is, on a free port of this machine; closed after the test.
 *
 * @param setup or a root module of its own
 * @param options of Nest
 */
export async function startApp(
  platform: Platform,
  setup: AppSetup | Type,
  options: NestApplicationOptions = {},
): Promise<RunningApp> {
  const log = new LogBook();
  const [root, { configure }] =
    typeof setup === 'function' ? [setup, {} as AppSetup] : [rootModule(setup), setup];
  const nest = await NestFactory.create(root, platform.createAdapter(), {
    logger: log,
    abortOnError: false,
    ...options,
  });
  return listen(nest, log, { configure });
}

/** For applications that were made in another way. */
export async function listen(
  nest: INestApplication,
  log: LogBook,
  { configure }: { configure?: AppSetup['configure'] | undefined } = {},
): Promise<RunningApp> {
  running.push(nest);
  configure?.(nest);
  await nest.init();
  const app = new RunningApp(nest, log);
  await nest.listen(0, '127.0.0.1');
  return app;
}

/** One application for the tests around the call: each finds it as if it had just been started. */
export function sharedApp(start: () => Promise<RunningApp>): () => RunningApp {
  let app: RunningApp | undefined;
  beforeAll(async () => {
    app = await start();
    running.splice(running.indexOf(app.nest), 1);
  });
  afterEach(() => app?.forget());
  afterAll(() => app && close(app.nest));
  return () => app as RunningApp;
}

async function close(nest: INestApplication): Promise<void> {
  // What a failed test has left open must not keep the others from running.
  (nest.getHttpServer() as Server).closeAllConnections();
  await nest.close();
}

afterEach(async () => {
  for (const nest of running.splice(0)) {
    await close(nest);
  }
});
