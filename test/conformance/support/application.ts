import { Agent } from 'node:http';
import {
  Module,
  type DynamicModule,
  type INestApplication,
  type Provider,
  type Type,
} from '@nestjs/common';
import { NestFactory, type AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import {
  BackgroundTasksModule,
  TaskRunner,
  type BackgroundTasksOptions,
  type TaskEvent,
} from 'nestjs-background-tasks';
import { ENGINE, type Engine } from '../../../lib/engine/engine.js';
import { open, read, send } from '../../e2e/support/client.js';
import { portOf } from '../../e2e/support/port-of.js';
import { eventually } from '../../support/eventually.js';
import { Api } from './api.js';
import { Book } from './book.js';
import { Jobs } from './jobs.js';
import { LogBook } from '../../support/log-book.js';

/** In which two tasks of the queue `rated` may start. */
export const RATED_MS = 150;

@Module({})
class RootModule {}

/** An application with the conformance tasks, on one engine. */
export class Application {
  readonly events: TaskEvent[] = [];

  private constructor(
    private readonly nest: INestApplication,
    readonly runner: TaskRunner,
    readonly jobs: Jobs,
    readonly book: Book,
    readonly log: LogBook,
  ) {
    runner.events.subscribe((event) => void this.events.push(event));
  }

  /**
   * @param providers besides, or in place of, the ones of the conformance suite
   * @param adapter Express where there is none
   */
  static async start(
    options: BackgroundTasksOptions,
    providers: Provider[] = [],
    adapter: AbstractHttpAdapter = new ExpressAdapter(),
  ): Promise<Application> {
    const log = new LogBook();
    const nest = await NestFactory.create(rootModule(options, providers), adapter, {
      logger: log,
      abortOnError: false,
    });
    await nest.listen(0, '127.0.0.1');
    return new Application(nest, nest.get(TaskRunner), nest.get(Jobs), nest.get(Book), log);
  }

  get<T>(type: Type<T>): T {
    return this.nest.get(type);
  }

  whenDraining(): Promise<void> {
    return whenDraining(this.nest.get(ENGINE));
  }

  /** @returns the status of the answer, once its body has been read */
  async post(path: string): Promise<number> {
    return (await send(this.port, path, { method: 'POST' })).status;
  }

  /** Sends a request that nobody answers. @returns what has the client go away */
  begin(path: string): () => void {
    const agent = new Agent();
    open(this.port, path, { method: 'POST', agent }).catch(() => undefined);
    return () => agent.destroy();
  }

  /**
   * Resolves when the response has begun: its handler is over, and its tasks are stored.
   *
   * @returns what ends it, and resolves once its body has been read
   */
  async open(path: string): Promise<{ end(): Promise<void> }> {
    const ended = read(await open(this.port, path, { method: 'POST' }));
    ended.catch(() => undefined);
    const end = async (): Promise<void> => {
      this.nest.get(Api).body.end();
      await ended;
    };
    return { end };
  }

  private get port(): number {
    return portOf(this.nest);
  }

  /** The types of the events of a task, in the order they came. */
  eventsOf(id: string): TaskEvent['type'][] {
    return this.events.filter((event) => event.id === id).map(({ type }) => type);
  }

  /** Resolves when the queue holds so many tasks: a durable engine takes a moment to store them. */
  async untilQueued(queue: string, count: number): Promise<void> {
    await eventually(async () => {
      const queued = await this.runner.list({ queue, status: 'queued' });
      if (queued.length !== count) {
        throw new Error(`${queued.length} of ${count} tasks are queued.`);
      }
    });
  }

  close(): Promise<void> {
    return this.nest.close();
  }
}

/** Resolves when a shutdown that is still to come has told the engine to start nothing more. */
export function whenDraining(engine: Engine): Promise<void> {
  const drain = engine.drain.bind(engine);
  return new Promise((resolve) => {
    engine.drain = (...args) => {
      const drained = drain(...args);
      resolve();
      return drained;
    };
  });
}

function rootModule(options: BackgroundTasksOptions, providers: Provider[]): DynamicModule {
  return {
    module: RootModule,
    imports: [
      BackgroundTasksModule.forRoot({
        drainTimeout: '5s',
        ...options,
        queues: {
          single: { concurrency: 1 },
          pair: { concurrency: 2 },
          small: { concurrency: 1, maxPending: 2 },
          rated: { rateLimit: { max: 2, per: RATED_MS } },
          ...options.queues,
        },
      }),
    ],
    controllers: [Api],
    providers: [Jobs, Book, ...providers],
  };
}
