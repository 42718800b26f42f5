import { EventEmitter } from 'node:events';
import { expect, it } from '@jest/globals';
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
import { onEachPlatform } from '../support/platforms.js';
import { routes } from '../support/routes.js';
import type { AppSetup } from '../support/root-module.js';
import { startApp } from '../support/running-app.js';
import { addEach, FAILURE, SUCCESS } from '../support/whens.js';

/** Fails to commit after the handler. */
@Injectable()
class Transaction implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(concatMap(() => throwError(() => new ConflictException())));
  }
}

@Injectable({ scope: Scope.REQUEST })
class RequestTransaction extends Transaction {}

const PLACES: readonly (AppSetup & { readonly place: string })[] = [
  {
    place: 'on the method',
    controllers: [routes({ 'GET /add': [addEach, UseInterceptors(Transaction)] })],
  },
  {
    place: 'on the controller',
    controllers: [routes({ 'GET /add': addEach }, UseInterceptors(Transaction))],
  },
  {
    place: 'global',
    controllers: [routes({ 'GET /add': addEach })],
    configure: (app) => void app.useGlobalInterceptors(new Transaction()),
  },
  ...[Transaction, RequestTransaction].map((useClass) => ({
    place: `a global provider, ${useClass.name}`,
    controllers: [routes({ 'GET /add': addEach })],
    providers: [{ provide: APP_INTERCEPTOR, useClass }],
  })),
];

onEachPlatform((platform) => {
  it.each(PLACES)(
    'P3: an interceptor that fails after the handler drops its tasks: $place',
    async (setup) => {
      const app = await startApp(platform, setup);
      expect((await app.request('/add')).status).toBe(409);
      await app.untilSettled(3);
      expect(app.names('completed')).toEqual(FAILURE);
    },
  );

  it('P20: BackgroundTasksInterceptor changes nothing where somebody adds it, too', async () => {
    const ours = UseInterceptors(BackgroundTasksInterceptor);
    const app = await startApp(platform, {
      controllers: [routes({ 'GET /add': [addEach, ours] }, ours)],
      configure: (nest) => void nest.useGlobalInterceptors(nest.get(BackgroundTasksInterceptor)),
    });
    expect((await app.request('/add')).status).toBe(200);
    await app.untilSettled(3);
    expect(app.names('completed')).toEqual(SUCCESS);
  });

  it('P20: a route without interceptors is followed in a class and in those that extend it', async () => {
    @Controller('base')
    class BaseController {
      @Get('add')
      add(@Tasks() tasks: BackgroundTasks): string {
        addEach(tasks);
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
    const controllers = [ExtendedController, BaseController, OverridingController];
    const app = await startApp(platform, { controllers });
    const bodies: string[] = [];
    for (const path of ['extended', 'base', 'overriding']) {
      bodies.push((await app.request(`/${path}/add`)).body);
    }
    await app.untilSettled(9);
    expect(bodies).toEqual(['ExtendedController', 'BaseController', 'OverridingController!']);
    expect(app.names('completed')).toEqual([...SUCCESS, ...SUCCESS, ...SUCCESS]);
  });

  it('P7: a route finds its request again where something before it has lost the context', async () => {
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
