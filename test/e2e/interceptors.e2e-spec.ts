import { EventEmitter } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import {
  ConflictException,
  Controller,
  Get,
  Injectable,
  Scope,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import {
  Background,
  BackgroundTasksInterceptor,
  Tasks,
  type BackgroundTasks,
} from 'nestjs-background-tasks';
import { concatMap, throwError, type Observable } from 'rxjs';
import { onEachPlatform } from './support/platforms.js';
import type { AppSetup } from './support/root-module.js';
import { startApp } from './support/running-app.js';

function task(): void {}

function collect(tasks: BackgroundTasks): void {
  tasks.addTask({ name: 'mail' }, task);
  tasks.addTask({ name: 'refund', when: 'failure' }, task);
}

/** What it commits after the handler, it cannot commit. */
@Injectable()
class Transaction implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(concatMap(() => throwError(() => new ConflictException())));
  }
}

@Injectable({ scope: Scope.REQUEST })
class RequestTransaction extends Transaction {}

@Controller()
class PlainController {
  @Get('add')
  add(@Tasks() tasks: BackgroundTasks): string {
    collect(tasks);
    return 'added';
  }

  @Get('fail')
  fail(@Tasks() tasks: BackgroundTasks): string {
    collect(tasks);
    throw new ConflictException();
  }
}

@Controller()
@UseInterceptors(Transaction)
class ClassController extends PlainController {}

@Controller()
class MethodController {
  @Get('add')
  @UseInterceptors(Transaction)
  add(@Tasks() tasks: BackgroundTasks): string {
    collect(tasks);
    return 'added';
  }
}

const PLACES: readonly (AppSetup & { readonly place: string })[] = [
  { place: 'on the method', controllers: [MethodController] },
  { place: 'on the controller', controllers: [ClassController] },
  {
    place: 'global',
    controllers: [PlainController],
    configure: (app) => void app.useGlobalInterceptors(new Transaction()),
  },
  {
    place: 'a global provider',
    controllers: [PlainController],
    providers: [{ provide: APP_INTERCEPTOR, useClass: Transaction }],
  },
  {
    place: 'a global provider of each request',
    controllers: [PlainController],
    providers: [{ provide: APP_INTERCEPTOR, useClass: RequestTransaction }],
  },
];

describe('other interceptors', () => {
  onEachPlatform((platform) => {
    it.each(PLACES)(
      'P3: one that fails after the handler, $place, drops its tasks',
      async (setup) => {
        const app = await startApp(platform, setup);
        const { status } = await app.request('/add');
        await app.untilSettled(2);
        expect(status).toBe(409);
        expect(app.names('dropped')).toEqual(['mail']);
        expect(app.names('completed')).toEqual(['refund']);
      },
    );

    it('ours changes nothing where somebody puts it, too', async () => {
      @Controller()
      @UseInterceptors(BackgroundTasksInterceptor)
      class ExplicitController {
        @Get('add')
        @UseInterceptors(BackgroundTasksInterceptor)
        add(@Tasks() tasks: BackgroundTasks): string {
          collect(tasks);
          return 'added';
        }
      }
      const app = await startApp(platform, {
        controllers: [ExplicitController],
        configure: (nest) => void nest.useGlobalInterceptors(nest.get(BackgroundTasksInterceptor)),
      });
      expect((await app.request('/add')).status).toBe(200);
      await app.untilSettled(2);
      expect(app.names('completed')).toEqual(['mail']);
    });
  });
});

describe('a route without interceptors', () => {
  onEachPlatform((platform) => {
    it('is followed in a class and in those that extend it', async () => {
      @Controller('base')
      class BaseController {
        @Get('add')
        add(@Tasks() tasks: BackgroundTasks): string {
          collect(tasks);
          return this.constructor.name;
        }
      }
      @Controller('extended')
      class ExtendedController extends BaseController {}
      @Controller('overriding')
      class OverridingController extends BaseController {
        @Get('add')
        override add(@Tasks() tasks: BackgroundTasks): string {
          return `${super.add(tasks)}!`;
        }
      }
      const app = await startApp(platform, {
        controllers: [ExtendedController, BaseController, OverridingController],
      });
      const replies = await Promise.all(
        ['extended', 'base', 'overriding'].map((path) => app.request(`/${path}/add`)),
      );
      await app.untilSettled(6);
      expect(replies.map(({ body }) => body)).toEqual([
        'ExtendedController',
        'BaseController',
        'OverridingController!',
      ]);
      expect(app.names('completed')).toEqual(['mail', 'mail', 'mail']);
    });

    it('P7: finds its request again where something before it has lost the context', async () => {
      @Injectable()
      class Mailer {
        @Background()
        async send(): Promise<void> {}
      }
      @Controller()
      class LateController {
        constructor(private readonly mailer: Mailer) {}

        @Get('late')
        async late(): Promise<string> {
          await this.mailer.send();
          throw new ConflictException();
        }
      }
      // Calls back from the context in which it was listened to first: that of no request.
      const source = new EventEmitter();
      const waiting: (() => void)[] = [];
      source.on('turn', () => waiting.splice(0).forEach((next) => next()));
      const ticking = setInterval(() => source.emit('turn'), 1);
      const app = await startApp(platform, {
        controllers: [LateController],
        providers: [Mailer],
        configure: (nest) =>
          void nest.use((_request: unknown, _response: unknown, next: () => void) => {
            waiting.push(next);
          }),
      });
      const { status } = await app.request('/late');
      await app.untilSettled(1);
      clearInterval(ticking);
      expect(status).toBe(409);
      expect(app.names('dropped')).toEqual(['Mailer.send']);
    });
  });
});
