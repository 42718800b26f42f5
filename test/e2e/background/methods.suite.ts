import { EventEmitter, once } from 'node:events';
import { expect, it } from '@jest/globals';
import {
  type CanActivate,
  Controller,
  Get,
  Injectable,
  type NestMiddleware,
  UseGuards,
} from '@nestjs/common';
import { Background, BackgroundTasks, Tasks } from 'nestjs-background-tasks';
import { type Platform, onEachPlatform } from '../support/platforms.js';
import { routes } from '../support/routes.js';
import { type RunningApp, startApp } from '../support/running-app.js';
import { Gate } from '../support/time.js';

function task(): void {}

interface Collecting {
  readonly app: RunningApp;
  /** Providers and controllers, as they are made. */
  readonly made: string[];
  /** What the decorated method and its caller do, in order. */
  readonly seen: string[];
}

async function startCollecting(platform: Platform): Promise<Collecting> {
  const made: string[] = [];
  const seen: string[] = [];

  /** Where Nest makes objects for a request before its controller: with decorated methods, request/endings.ts. */
  @Injectable()
  class Before implements NestMiddleware, CanActivate {
    constructor(private readonly tasks: BackgroundTasks) {}

    use(_request: unknown, _response: unknown, next: () => void): void {
      this.tasks.addTask({ name: 'middleware' }, task);
      next();
    }

    canActivate(): boolean {
      this.tasks.addTask({ name: 'guard' }, task);
      return true;
    }
  }

  @Injectable()
  class AddingService {
    constructor(private readonly tasks: BackgroundTasks) {
      made.push('service');
    }

    add(): void {
      this.tasks.addTask({ name: 'service' }, task);
    }
  }

  @Injectable()
  class Singleton {
    constructor() {
      made.push('singleton');
    }

    @Background({ name: '@Background()' })
    async record(caller: string): Promise<void> {
      seen.push(`${caller} recorded`);
    }
  }

  @Controller()
  @UseGuards(Before)
  class InjectedController {
    constructor(
      private readonly tasks: BackgroundTasks,
      private readonly service: AddingService,
      private readonly singleton: Singleton,
    ) {
      made.push('controller');
    }

    @Get('injected')
    async get(@Tasks() tasks: BackgroundTasks): Promise<void> {
      this.tasks.addTask({ name: 'controller' }, task);
      this.service.add();
      tasks.addTask({ name: '@Tasks()' }, task);
      await this.singleton.record('injected');
      this.tasks.addTask({ name: 'controller again' }, task);
    }
  }

  @Controller()
  class ArgumentController {
    constructor(private readonly singleton: Singleton) {
      made.push('argument controller');
    }

    @Get('argument')
    async get(@Tasks() first: BackgroundTasks, @Tasks() second: BackgroundTasks): Promise<void> {
      first.addTask({ name: 'one' }, task);
      await this.singleton.record('argument');
      seen.push('accepted');
      second.addTask({ name: 'two' }, task);
      first.addTask({ name: 'three' }, task);
    }
  }

  const app = await startApp(platform, {
    controllers: [InjectedController, ArgumentController],
    providers: [AddingService, Singleton],
    middleware: (consumer) => consumer.apply(Before).forRoutes('injected'),
  });
  return { app, made, seen };
}

const EVERYWHERE = [
  'middleware',
  'guard',
  'controller',
  'service',
  '@Tasks()',
  '@Background()',
  'controller again',
];

onEachPlatform((platform) => {
  it('P2: injected or called anywhere, the tasks of a request are one collection, in order', async () => {
    const { app } = await startCollecting(platform);
    expect((await app.request('/injected')).status).toBe(200);
    await app.untilSettled(EVERYWHERE.length);
    expect(app.names('added')).toEqual(EVERYWHERE);
    expect(app.names('completed')).toEqual(EVERYWHERE);

    // And not that of any other.
    await Promise.all(Array.from({ length: 20 }, () => app.request('/injected')));
    await app.untilSettled(21 * EVERYWHERE.length);
    expect(app.names('completed').toSorted()).toEqual(
      EVERYWHERE.flatMap((name) => Array.from({ length: 21 }, () => name)).toSorted(),
    );
  });

  it('P2: a task that a shared connection adds while it serves another request belongs to the request that asked', async () => {
    const connection = new EventEmitter();
    const asked = new Gate();

    const SharingController = routes({
      'GET /asks': async (tasks) => {
        const answer = once(connection, 'answer');
        connection.once('answer', () => tasks.addTask({ name: 'of the answer' }, task));
        asked.open();
        await answer;
      },
      'GET /answers': (tasks) => {
        tasks.addTask({ name: 'of the failed' }, task);
        connection.emit('answer');
        throw new Error('broken');
      },
    });
    const app = await startApp(platform, { controllers: [SharingController] });

    const asking = app.request('/asks');
    await asked.opened;
    const answering = app.request('/answers');

    expect([(await asking).status, (await answering).status]).toEqual([200, 500]);
    await app.untilSettled(2);
    expect([app.names('completed'), app.names('dropped')]).toEqual([
      ['of the answer'],
      ['of the failed'],
    ]);
  });

  it('P2, P14: @Tasks() gives all arguments one collection; a decorated call resolves before the method runs', async () => {
    const { app, made, seen } = await startCollecting(platform);
    for (const path of ['/argument', '/argument', '/injected', '/injected']) {
      await app.request(path);
    }
    const settled = await app.untilSettled(2 * 4 + 2 * EVERYWHERE.length);
    const names = settled.slice(0, 4).map(({ name }) => name);
    expect(names).toEqual(['one', '@Background()', 'two', 'three']);
    expect(seen.slice(0, 2)).toEqual(['accepted', 'argument recorded']);
    // The controller stays a singleton.
    expect(made.toSorted()).toEqual([
      'argument controller',
      'controller',
      'controller',
      'service',
      'service',
      'singleton',
    ]);
  });
});
