import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Body,
  Catch,
  Controller,
  Injectable,
  Module,
  Post,
  UseFilters,
  UseGuards,
  type ArgumentsHost,
  type CanActivate,
  type ExceptionFilter,
  type INestApplication,
  type MiddlewareConsumer,
  type NestMiddleware,
  type NestModule,
  type PipeTransform,
} from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  Background,
  BackgroundTasks,
  BackgroundTasksModule,
  QueueFullError,
  TaskRunner,
  Tasks,
  type QueueOptions,
  type TaskEvent,
} from '../../../lib/index.js';
import { RecordingLogger } from '../support/recording-logger.js';

const ran: string[] = [];

@Injectable()
class Mailer {
  @Background()
  async send(): Promise<void> {
    ran.push('send');
  }
}

/** For whoever comes by: the tasks are those of a request, or not. */
@Injectable()
class AddingGuard implements CanActivate {
  constructor(private readonly runner: TaskRunner) {}

  canActivate(): boolean {
    this.runner.addTask({ name: 'guard' }, () => undefined);
    return true;
  }
}

@Injectable()
class AddingPipe implements PipeTransform {
  constructor(private readonly tasks: BackgroundTasks) {}

  transform(value: unknown): unknown {
    this.tasks.addTask({ name: 'pipe' }, () => undefined);
    return value;
  }
}

@Injectable()
class AddingMiddleware implements NestMiddleware {
  constructor(private readonly mailer: Mailer) {}

  async use(_request: unknown, _response: unknown, next: () => void): Promise<void> {
    await this.mailer.send();
    next();
  }
}

@Catch(QueueFullError)
class TooMany implements ExceptionFilter {
  catch(_error: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<{ status(code: number): { send(): void } }>();
    reply.status(429).send();
  }
}

@Controller()
class Places {
  @UseGuards(AddingGuard)
  @Post('guarded')
  guarded(): string {
    return 'let in';
  }

  @Post('piped')
  piped(@Body(AddingPipe) _body: unknown): string {
    return 'let in';
  }

  @Post('passed')
  passed(): string {
    return 'let in';
  }
}

@Controller()
class Orders {
  constructor(private readonly mailer: Mailer) {}

  @Post('orders')
  add(@Tasks() tasks: BackgroundTasks): string {
    tasks.addTask({ name: 'first' }, () => ran.push('first'));
    tasks.addTask({ name: 'second' }, () => ran.push('second'));
    return 'added';
  }

  @Post('mails')
  async mail(): Promise<string> {
    await this.mailer.send();
    await this.mailer.send();
    return 'added';
  }

  @Post('orders-if-possible')
  tryToAdd(@Tasks() tasks: BackgroundTasks): string {
    try {
      tasks.addTask(() => undefined);
      return 'added';
    } catch {
      return 'not added';
    }
  }

  @Post('orders-again-and-again')
  tryOften(@Tasks() tasks: BackgroundTasks): void {
    let refusal: unknown;
    for (let number = 0; number < 20_000; number++) {
      try {
        tasks.addTask(() => undefined);
      } catch (error) {
        refusal = error;
      }
    }
    throw refusal;
  }

  @UseFilters(TooMany)
  @Post('limited-orders')
  limited(@Tasks() tasks: BackgroundTasks): void {
    tasks.addTask(() => undefined);
  }
}

@Module({ controllers: [Places], providers: [Mailer] })
class PlacesModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(AddingMiddleware).forRoutes('passed');
  }
}

const running: INestApplication[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((app) => app.close()));
  ran.length = 0;
});

async function start(createAdapter: () => AbstractHttpAdapter, queue: QueueOptions) {
  const module = await Test.createTestingModule({
    imports: [BackgroundTasksModule.forRoot({ queues: { default: queue } }), PlacesModule],
    controllers: [Orders],
    providers: [Mailer],
  }).compile();
  const app = module.createNestApplication(createAdapter(), { logger: new RecordingLogger() });
  running.push(app);
  await app.listen(0, '127.0.0.1');
  const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
  const runner = app.get(TaskRunner);
  const events: TaskEvent[] = [];
  runner.events.subscribe((event) => events.push(event));
  return {
    runner,
    events,
    post: async (path: string) => {
      const headers = { connection: 'close' };
      const reply = await fetch(`http://127.0.0.1:${port}/${path}`, { method: 'POST', headers });
      return {
        status: reply.status,
        retryAfter: reply.headers.get('retry-after'),
        body: await reply.text(),
      };
    },
  };
}

describe.each<[string, () => AbstractHttpAdapter]>([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('P12: a request that fills a queue, on %s', (_, createAdapter) => {
  it.each(['orders', 'mails', 'orders-again-and-again'])(
    'is answered 503 with Retry-After, and nothing of what the queue holds (POST /%s)',
    async (path) => {
      const { runner, post } = await start(createAdapter, { maxPending: 1 });
      const reply = await post(path);
      expect(reply).toMatchObject({ status: 503, retryAfter: '1' });
      expect(reply.body).not.toContain('pending');
      await runner.whenIdle();
      expect(ran).toEqual([]);
    },
  );

  it.each([
    ['a guard', 'guarded'],
    ['a pipe', 'piped'],
    ['a middleware', 'passed'],
  ])('is answered so where %s fills it, too', async (_place, path) => {
    const { runner, post } = await start(createAdapter, { maxPending: 1 });
    await runner.pause();
    expect(await post(path)).toMatchObject({ status: 201, retryAfter: null });
    expect(await post(path)).toMatchObject({ status: 503, retryAfter: '1' });
    await runner.resume();
  });

  it.each([
    ['it does without', 'orders-if-possible', 201],
    ['a filter finds another answer', 'limited-orders', 429],
  ])('is not told to come back where %s', async (_what, path, status) => {
    const { runner, post } = await start(createAdapter, { maxPending: 1 });
    await runner.pause();
    runner.addTask(() => undefined);
    expect(await post(path)).toMatchObject({ status, retryAfter: null });
    await runner.resume();
  });
});
