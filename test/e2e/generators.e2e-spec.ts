import { describe, expect, it } from '@jest/globals';
import {
  ConflictException,
  Controller,
  Get,
  UseInterceptors,
  type CallHandler,
  type NestInterceptor,
} from '@nestjs/common';
import { Tasks, type BackgroundTasks, type When } from 'nestjs-background-tasks';
import type { Observable } from 'rxjs';
import { RawConnection } from './support/client.js';
import { NEST_MAJOR } from './support/nest-major.js';
import { onEachPlatform, type Platform } from './support/platforms.js';
import { startApp, type RunningApp } from './support/running-app.js';

const WHENS: readonly When[] = ['success', 'failure', 'always'];

function add(tasks: BackgroundTasks): void {
  WHENS.forEach((when) => tasks.addTask({ when, name: when }, () => undefined));
}

class Passing implements NestInterceptor {
  intercept(_context: unknown, next: CallHandler): Observable<unknown> {
    return next.handle();
  }
}

@Controller('followed')
class FollowedController {
  @Get('completes')
  async *completes(@Tasks() tasks: BackgroundTasks): AsyncGenerator<string> {
    add(tasks);
    yield 'first ';
    yield 'second';
  }

  @Get('throws')
  async *throws(@Tasks() tasks: BackgroundTasks): AsyncGenerator<string> {
    add(tasks);
    yield await Promise.reject<string>(new ConflictException());
  }

  @Get('endless')
  async *endless(@Tasks() tasks: BackgroundTasks): AsyncGenerator<string> {
    add(tasks);
    for (;;) {
      yield 'x'.repeat(64 * 1024);
    }
  }
}

@Controller('intercepted')
@UseInterceptors(Passing)
class InterceptedController extends FollowedController {}

function startBoth(platform: Platform): Promise<RunningApp> {
  return startApp(platform, { controllers: [FollowedController, InterceptedController] });
}

// Nest 11 knows no such handlers.
(NEST_MAJOR < 12 ? describe.skip : describe)('a handler that is a generator', () => {
  onEachPlatform((platform) => {
    describe.each(['/followed', '/intercepted'])('%s', (controller) => {
      it('P3: has completed when it has yielded all of its body', async () => {
        const app = await startBoth(platform);
        const reply = await app.request(`${controller}/completes`);
        await app.untilSettled(3);
        expect([reply.status, reply.body]).toEqual([200, 'first second']);
        expect(app.names('completed')).toEqual(['success', 'always']);
      });

      it('P3: has failed when it throws', async () => {
        const app = await startBoth(platform);
        expect((await app.request(`${controller}/throws`)).status).toBe(409);
        await app.untilSettled(3);
        expect(app.names('completed')).toEqual(['failure', 'always']);
      });

      it('P4: is left by a client that goes away: what was added runs', async () => {
        const app = await startBoth(platform);
        const connection = await RawConnection.open(app.port);
        connection.get(`${controller}/endless`);
        await connection.untilReceived('xxx');
        expect(app.names('started')).toEqual([]);
        connection.destroy();
        await app.untilSettled(3);
        expect(app.names('completed')).toEqual(['success', 'always']);
      });
    });
  });
});
