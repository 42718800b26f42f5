import { describe, expect, it } from '@jest/globals';
import {
  ConflictException,
  Controller,
  Get,
  HttpException,
  Res,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  Background,
  BackgroundTasksInterceptor,
  Tasks,
  type BackgroundTasks,
  type When,
} from 'nestjs-background-tasks';
import { retry, type Observable } from 'rxjs';
import { RequestHook } from '../../../lib/request/nest/request-hook.js';
import { RouteWatch } from '../../../lib/request/nest/route-watch.js';
import { RawConnection } from '../support/client.js';
import { LogBook } from '../support/log-book.js';
import { onEachPlatform, type Platform } from '../support/platforms.js';
import { rootModule, type AppSetup } from '../support/root-module.js';
import { listen, startApp, type RunningApp } from '../support/running-app.js';
import { Gate } from '../support/time.js';

const WHENS: readonly When[] = ['success', 'failure', 'always'];
const SUCCESS = ['success', 'always'];
const FAILURE = ['failure', 'always'];

function add(tasks: BackgroundTasks): void {
  WHENS.forEach((when) => tasks.addTask({ when, name: when }, () => undefined));
}

class Retrying implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(retry(2));
  }
}

const [begun, end] = [{ gate: new Gate() }, { gate: new Gate() }];

class Mailer {
  @Background({ name: 'mail' })
  async send(): Promise<void> {}
}

@Controller()
@UseInterceptors(BackgroundTasksInterceptor)
class KindsController {
  private calls = 0;

  constructor(private readonly mailer: Mailer) {}

  @Get('json') json(@Tasks() tasks: BackgroundTasks): object {
    add(tasks);
    return {};
  }

  @Get('bigint') bigint(@Tasks() tasks: BackgroundTasks): object {
    add(tasks);
    return { id: 1n };
  }

  @Get('thrown-303') thrown303(@Tasks() tasks: BackgroundTasks): void {
    add(tasks);
    throw new HttpException({}, 303);
  }

  @Get('conflict') async conflict(@Tasks() tasks: BackgroundTasks): Promise<void> {
    add(tasks);
    await Promise.reject(new ConflictException());
  }

  @Get('slow') async slow(@Tasks() tasks: BackgroundTasks): Promise<string> {
    add(tasks);
    begun.gate.open();
    await end.gate.opened;
    return 'nobody reads this';
  }

  @Get('silent') async silent(
    @Tasks() tasks: BackgroundTasks,
    @Res() _response: unknown,
  ): Promise<void> {
    add(tasks);
    begun.gate.open();
    await end.gate.opened;
  }

  @Get('retried')
  @UseInterceptors(Retrying, BackgroundTasksInterceptor)
  async retried(): Promise<string> {
    await this.mailer.send();
    this.calls += 1;
    if (this.calls < 3) {
      throw new Error('not yet');
    }
    return 'at last';
  }
}

const SETUP: AppSetup = { controllers: [KindsController], providers: [Mailer] };

/** As the module would be if nothing of Nest's insides were as it knows them. */
async function startAlone(platform: Platform): Promise<RunningApp> {
  const log = new LogBook();
  const module = await Test.createTestingModule({ imports: [rootModule(SETUP)] })
    .overrideProvider(RequestHook)
    .useValue({ install: () => undefined })
    .overrideProvider(RouteWatch)
    .useValue({ begin: () => false, end: () => undefined })
    .compile();
  return listen(module.createNestApplication(platform.createAdapter(), { logger: log }), log, {});
}

const WAYS = [
  ['by the interceptor alone', startAlone],
  ['with all that the module has', (platform: Platform) => startApp(platform, SETUP)],
] as const;

onEachPlatform((platform) => {
  describe.each(WAYS)('%s', (_, start) => {
    it.each([
      ['json', 200, SUCCESS],
      ['bigint', 500, FAILURE],
      ['thrown-303', 303, SUCCESS],
      ['conflict', 409, FAILURE],
    ] as const)('P3, P20: %s goes out with %d, which decides', async (path, status, expected) => {
      const app = await start(platform);
      const url = `http://127.0.0.1:${app.port}/${path}`;
      expect((await fetch(url, { redirect: 'manual' })).status).toBe(status);
      const closedAt = await app.untilClosed(`/${path}`);
      await app.untilSettled(WHENS.length);
      expect(app.names('completed')).toEqual(expected);
      const starts = app.history.filter(({ type }) => type === 'started');
      expect(starts.every(({ at }) => at >= closedAt)).toBe(true);
    });

    it.each([
      ['slow', SUCCESS],
      ['silent', FAILURE],
    ] as const)('P4, P20: a client that leaves changes nothing (%s)', async (path, expected) => {
      [begun.gate, end.gate] = [new Gate(), new Gate()];
      const app = await start(platform);
      const connection = await RawConnection.open(app.port);
      connection.get(`/${path}`);
      await begun.gate.opened;
      connection.destroy();
      await app.untilClosed(`/${path}`);
      expect(app.settled).toEqual([]);
      end.gate.open();
      await app.untilSettled(WHENS.length);
      expect(app.names('completed')).toEqual(expected);
    });

    it('R9: a handler that is called again leaves nothing of the calls that failed', async () => {
      const app = await start(platform);
      expect((await app.request('/retried')).body).toBe('at last');
      await app.untilSettled(3);
      expect([app.names('completed'), app.names('dropped')]).toEqual([['mail'], ['mail', 'mail']]);
    });
  });
});
