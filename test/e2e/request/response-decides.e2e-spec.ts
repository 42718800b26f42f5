import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { expect, it } from '@jest/globals';
import {
  Catch,
  ConflictException,
  Controller,
  Get,
  HttpCode,
  HttpException,
  Post,
  Redirect,
  RequestTimeoutException,
  Res,
  Sse,
  StreamableFile,
  UseFilters,
  UseInterceptors,
  type ArgumentsHost,
  type CallHandler,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { BackgroundTasks, Tasks, type When } from 'nestjs-background-tasks';
import { catchError, from, of, throwError, timeout, type Observable } from 'rxjs';
import { onEachPlatform, type Platform } from '../support/platforms.js';
import { startApp, type RunningApp } from '../support/running-app.js';
import { Gate } from '../support/time.js';

const WHENS: readonly When[] = ['success', 'failure', 'always'];

function add(tasks: BackgroundTasks, prefix = ''): void {
  WHENS.forEach((when) => tasks.addTask({ when, name: `${prefix}${when}` }, () => undefined));
}

/** What may be done with a response on either platform. */
interface AnyResponse {
  readonly raw?: ServerResponse;
  status(code: number): unknown;
  send(body: unknown): unknown;
}

const rawOf = (response: AnyResponse): ServerResponse =>
  response.raw ?? (response as unknown as ServerResponse);

async function* breakingBody(): AsyncGenerator<string> {
  yield 'first ';
  throw new Error('broken');
}

@Catch()
class Excusing implements ExceptionFilter {
  catch(_error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<AnyResponse>();
    response.status(200);
    response.send({ excused: true });
  }
}

class Rescuing implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(catchError(() => of('rescued')));
  }
}

@Controller()
class KindsController {
  @Get('json') json(@Tasks() tasks: BackgroundTasks): object {
    add(tasks);
    return { a: 1 };
  }

  @Get('thrown-303') thrown303(@Tasks() tasks: BackgroundTasks): void {
    add(tasks);
    throw new HttpException({}, 303);
  }

  @Get('thrown-422') thrown422(@Tasks() tasks: BackgroundTasks): void {
    add(tasks);
    throw new HttpException('no', 422);
  }

  @Get('not-modified')
  @HttpCode(304)
  notModified(@Tasks() tasks: BackgroundTasks): void {
    add(tasks);
  }

  @Get('partial')
  @HttpCode(206)
  partial(@Tasks() tasks: BackgroundTasks): string {
    add(tasks);
    return 'part';
  }

  @Get('redirect')
  @Redirect('/json', 301)
  redirect(@Tasks() tasks: BackgroundTasks): void {
    add(tasks);
  }

  @Get('bigint') bigint(@Tasks() tasks: BackgroundTasks): object {
    add(tasks);
    return { id: 1n };
  }

  @Get('own-status') ownStatus(
    @Tasks() tasks: BackgroundTasks,
    @Res({ passthrough: true }) response: AnyResponse,
  ): object {
    add(tasks);
    response.status(422);
    return {};
  }

  @Get('assigned-late') assignedLate(
    @Tasks() tasks: BackgroundTasks,
    @Res() response: AnyResponse,
  ): void {
    add(tasks);
    response.send({});
    rawOf(response).statusCode = 500;
  }

  @Get('added-late') addedLate(
    @Tasks() tasks: BackgroundTasks,
    @Res() response: AnyResponse,
  ): void {
    response.send({});
    rawOf(response).statusCode = 500;
    add(tasks);
  }

  @Get('breaks') breaks(@Tasks() tasks: BackgroundTasks): StreamableFile {
    add(tasks);
    return new StreamableFile(Readable.from(breakingBody()));
  }

  @Sse('events') events(@Tasks() tasks: BackgroundTasks): Observable<{ data: string }> {
    add(tasks);
    return from([{ data: 'one' }]);
  }

  @Sse('failing-events') failingEvents(@Tasks() tasks: BackgroundTasks): Observable<never> {
    add(tasks);
    return throwError(() => new ConflictException());
  }

  @Get('excused')
  @UseFilters(Excusing)
  excused(@Tasks() tasks: BackgroundTasks): void {
    add(tasks);
    throw new Error('no');
  }

  @Get('rescued')
  @UseInterceptors(Rescuing)
  rescued(@Tasks() tasks: BackgroundTasks): void {
    add(tasks);
    throw new Error('no');
  }
}

const SUCCESS = ['success', 'always'];
const FAILURE = ['failure', 'always'];

const KINDS = [
  ['json', 200, SUCCESS],
  ['thrown-303', 303, SUCCESS],
  ['thrown-422', 422, FAILURE],
  ['not-modified', 304, SUCCESS],
  ['partial', 206, SUCCESS],
  ['redirect', 301, SUCCESS],
  ['bigint', 500, FAILURE],
  ['own-status', 422, FAILURE],
  ['assigned-late', 200, SUCCESS],
  ['added-late', 200, SUCCESS],
  ['breaks', 200, SUCCESS],
  ['events', 200, SUCCESS],
  ['failing-events', 409, FAILURE],
  ['excused', 200, SUCCESS],
  ['rescued', 200, SUCCESS],
] as const;

async function ranOf(app: RunningApp, count = WHENS.length): Promise<string[]> {
  await app.untilSettled(count);
  return app.names('completed');
}

/** The status of an answer, of a body that breaks off, too. */
async function statusOf(app: RunningApp, path: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${app.port}/${path}`, { redirect: 'manual' });
  await response.text().catch(() => undefined);
  return response.status;
}

onEachPlatform((platform) => {
  it.each(KINDS)('P3, R4: %s goes out with %d, which decides', async (path, status, expected) => {
    const app = await startApp(platform, { controllers: [KindsController] });
    expect(await statusOf(app, path)).toBe(status);
    expect(await ranOf(app)).toEqual(expected);
  });

  it("P3, R4: an answer that its platform's own hook or template spoils is a failure", async () => {
    @Controller()
    class SpoiledController {
      @Get('spoiled')
      spoiled(@Tasks() tasks: BackgroundTasks): object {
        add(tasks);
        return { a: 1 };
      }
    }
    const app = await startApp(platform, {
      controllers: [SpoiledController],
      configure: (nest) => spoilAnswers(platform, nest.getHttpAdapter().getInstance()),
    });
    expect(await statusOf(app, 'spoiled')).toBe(500);
    expect(await ranOf(app)).toEqual(FAILURE);
  });

  it.each([
    [200, SUCCESS],
    [408, FAILURE],
  ])(
    'P3, P5, R5: what nobody awaits goes by the same fact, and is by itself after a %d has closed',
    async (status, expected) => {
      const [go, added] = [new Gate(), new Gate()];
      class TimeLimit implements NestInterceptor {
        intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
          return next.handle().pipe(
            timeout({
              first: 20,
              with: () =>
                status === 408 ? throwError(() => new RequestTimeoutException()) : of(1),
            }),
          );
        }
      }
      @Controller()
      class SlowController {
        @Get('slow')
        @UseInterceptors(TimeLimit)
        async slow(@Tasks() tasks: BackgroundTasks): Promise<void> {
          await go.opened;
          add(tasks);
          added.open();
        }
      }
      const app = await startApp(platform, { controllers: [SlowController] });
      expect(await statusOf(app, 'slow')).toBe(status);
      await app.untilClosed('/slow');
      go.open();
      await added.opened;
      expect(await ranOf(app)).toEqual(expected);
    },
  );

  it('P3: an application with an envelope says itself what a success is, once a request', async () => {
    const asked: number[] = [];
    @Controller()
    class EnvelopeController {
      @Post('rpc/:id')
      @HttpCode(200)
      call(@Tasks() tasks: BackgroundTasks): object {
        add(tasks);
        return { error: 'no such method' };
      }

      @Get('untouched') untouched(): object {
        return {};
      }
    }
    const app = await startApp(platform, {
      controllers: [EnvelopeController],
      options: {
        request: {
          succeeded: ({ status, request }) => {
            asked.push(status);
            return (request as { params: { id?: string } }).params.id === 'good';
          },
        },
      },
    });
    await app.request('/rpc/good', { method: 'POST', body: { a: 1 } });
    expect(await ranOf(app)).toEqual(SUCCESS);
    await app.request('/rpc/bad', { method: 'POST', body: { a: 1 } });
    expect((await ranOf(app, 6)).slice(2)).toEqual(FAILURE);
    expect(asked).toEqual([200, 200]);
  });
});

/** Makes every answer fail on its way out. */
function spoilAnswers({ name }: Platform, instance: unknown): void {
  if (name === 'Fastify') {
    (instance as { addHook(hook: string, fail: () => Promise<never>): void }).addHook(
      'onSend',
      async (...[, , payload]: unknown[]) => {
        if (payload === '{"a":1}') {
          throw new Error('spoiled');
        }
        return payload as never;
      },
    );
  } else {
    (instance as { set(name: string, value: unknown): void }).set(
      'json replacer',
      (key: string, value: unknown) => {
        if (key === 'a') {
          throw new Error('spoiled');
        }
        return value;
      },
    );
  }
}
