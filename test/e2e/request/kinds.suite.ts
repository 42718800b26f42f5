import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  Injectable,
  RequestTimeoutException,
  StreamableFile,
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { BackgroundTasksInterceptor } from 'nestjs-background-tasks';
import { concat, NEVER, of, retry, throwError, timeout, type Observable } from 'rxjs';
import { RequestHook } from '../../../lib/request/nest/request-hook.js';
import { RouteWatch } from '../../../lib/request/nest/route-watch.js';
import { open, RawConnection, read, type Reply } from '../support/client.js';
import { LogBook } from '../../support/log-book.js';
import { NEST_MAJOR } from '../support/nest-major.js';
import { onEachPlatform, type Platform } from '../support/platforms.js';
import { rootModule, type AppSetup } from '../support/root-module.js';
import { answering, routes } from '../support/routes.js';
import { listen, sharedApp, startApp, type RunningApp } from '../support/running-app.js';
import { Gate } from '../support/time.js';
import { addEach, FAILURE, SUCCESS, WHENS } from '../support/whens.js';
import { Audit, FIVE_MB, held, KINDS, kindsController } from './kinds.js';

class Retrying implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(retry(2));
  }
}

const [begun, end] = [{ gate: new Gate() }, { gate: new Gate() }];

async function waiting(): Promise<void> {
  begun.gate.open();
  await end.gate.opened;
}

async function* chunks(): AsyncGenerator<Buffer> {
  for (;;) {
    yield Buffer.alloc(64 * 1024, 'x');
  }
}

@Injectable()
class Slow implements CanActivate {
  constructor(private readonly audit: Audit) {}

  async canActivate(): Promise<boolean> {
    await this.audit.onEither();
    await waiting();
    return false;
  }
}

function setupOf(platform: Platform, ...decorators: ClassDecorator[]): AppSetup {
  let calls = 0;
  const others = routes(
    {
      'GET /slow': async (tasks) => {
        addEach(tasks);
        await waiting();
      },
      'GET /throws': async (tasks) => {
        addEach(tasks);
        await waiting();
        throw new Error('nobody hears of this');
      },
      'GET /silent': answering(async (tasks) => {
        addEach(tasks);
        await waiting();
      }),
      'GET /guarded-slowly': [() => undefined, UseGuards(Slow)],
      'GET /observable': (tasks) => {
        addEach(tasks);
        begun.gate.open();
        return NEVER;
      },
      'GET /endless': (tasks) => {
        addEach(tasks);
        return new StreamableFile(Readable.from(chunks(), { objectMode: false }));
      },
      'GET /generating': (tasks) => {
        addEach(tasks);
        return chunks();
      },
      'SSE /eventing': (tasks) => {
        addEach(tasks);
        return concat(of({ data: 'xxx' }), NEVER);
      },
      'GET /retried': [
        (tasks) => {
          tasks.addTask({ name: `call ${(calls += 1)}` }, () => undefined);
          if (calls < 3) {
            throw new Error('not yet');
          }
          return 'at last';
        },
        UseInterceptors(Retrying, BackgroundTasksInterceptor),
      ],
    },
    ...decorators,
  );
  return {
    controllers: [kindsController(platform, ...decorators), others],
    providers: [Audit],
    options: { queues: { local: {} } },
  };
}

/** As the module would be if nothing of Nest's insides were as it knows them. */
async function startAlone(platform: Platform): Promise<RunningApp> {
  const log = new LogBook();
  const setup = setupOf(platform, UseInterceptors(BackgroundTasksInterceptor));
  const module = await Test.createTestingModule({ imports: [rootModule(setup)] })
    .overrideProvider(RequestHook)
    .useValue({ install: () => undefined })
    .overrideProvider(RouteWatch)
    .useValue({ begin: () => false, end: () => undefined })
    .compile();
  return listen(module.createNestApplication(platform.createAdapter(), { logger: log }), log);
}

const WAYS = [
  ['followed by the module', (platform: Platform) => startApp(platform, setupOf(platform))],
  ['followed by the interceptor alone', startAlone],
] as const;

/** Of a body that breaks off: as far as it came. */
async function answerOf(response: IncomingMessage): Promise<Reply> {
  let body = '';
  response.setEncoding('utf8').on('data', (text: string) => (body += text));
  await new Promise((resolve) => response.once('close', resolve).on('error', () => undefined));
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}

onEachPlatform((platform) => {
  describe.each(WAYS)('%s', (way, start) => {
    const app = sharedApp(() => start(platform));
    // A guard is at work before the interceptor is.
    const isGuardFollowed = way === 'followed by the module';

    beforeEach(() => {
      [begun.gate, end.gate, held.gate] = [new Gate(), new Gate(), new Gate()];
    });

    it.each(KINDS.filter(([asked]) => isGuardFollowed || !asked.endsWith('guarded')))(
      'P1, P3, P20, R4: %s goes out with %d, which decides, and its tasks start when it has closed',
      async (asked, status, body, ran) => {
        const [method = '', path = ''] = asked.split(' ');
        held.gate.open();
        const reply = await answerOf(await open(app().port, path, { method }));
        await app().untilSettled(WHENS.length);
        expect(reply).toMatchObject({ status, body });
        expect(app().names('completed')).toEqual(ran);
        expect(await app().hasStartedAfter(path)).toBe(true);
      },
    );

    it.each([
      ['/slow', SUCCESS],
      ['/throws', FAILURE],
      ['/silent', FAILURE],
      ...(isGuardFollowed ? [['/guarded-slowly', ['always']] as const] : []),
    ] as const)(
      'P4, P20: a client that leaves changes nothing: the end of the handler decides (%s)',
      async (path, expected) => {
        const connection = await RawConnection.open(app().port);
        connection.get(path);
        await begun.gate.opened;
        connection.destroy();
        await app().untilClosed(path);
        // Longer than any release takes: the whole life of another request.
        await app().request('/elsewhere');
        expect(app().settled).toEqual([]);
        end.gate.open();
        await app().untilAllSettled();
        expect(app().names('completed')).toEqual(expected);
        expect(app().names('cancelled')).toEqual([]);
      },
    );

    it.each(['/endless', '/eventing', ...(NEST_MAJOR < 12 ? [] : ['/generating'])])(
      'P4: a client that leaves in the middle of %s: success tasks run',
      async (path) => {
        const connection = await RawConnection.open(app().port);
        connection.get(path);
        await connection.untilReceived('xxx');
        expect(app().names('started')).toEqual([]);
        connection.destroy();
        await app().untilSettled(WHENS.length);
        expect(app().names('completed')).toEqual(SUCCESS);
      },
    );

    it('P4: a handler whose Observable is torn down because the client left has not completed', async () => {
      const connection = await RawConnection.open(app().port);
      connection.get('/observable');
      await begun.gate.opened;
      connection.destroy();
      await app().untilSettled(WHENS.length);
      expect(app().names('completed')).toEqual(FAILURE);
    });

    /** The whole life of another request: nothing of the one before it starts. */
    async function untilAnotherIsOver(): Promise<void> {
      await app().request('/json');
      await app().untilSettled(WHENS.length);
      expect(app().names('started')).toEqual(SUCCESS);
    }

    it('P1: tasks wait for a @Res() response that is sent long after the handler has returned', async () => {
      const reply = app().request('/res-later');
      await app().untilSeen('added', 'always');
      await untilAnotherIsOver();
      held.gate.open();
      await reply;
      await app().untilSettled(2 * WHENS.length);
      expect(app().events.at(-1)?.at).toBeGreaterThan(await app().untilClosed('/res-later'));
    });

    it.each([
      ['/gated-file', 'first half, second half'.length],
      ['/large-file', FIVE_MB],
    ])('P1: tasks wait for a client that has read a part of %s', async (path, length) => {
      // Not read from, the response stands still as soon as the buffers in between are full.
      const response = await open(app().port, path);
      await untilAnotherIsOver();
      held.gate.open();
      const { body } = await read(response);
      // The last of it may wait in the kernel: closed is when the server has handed all of it over.
      await app().untilSettled(2 * WHENS.length);
      expect(body).toHaveLength(length);
      const second = app().events.filter(({ type }) => type === 'started')[SUCCESS.length];
      expect(second?.at).toBeGreaterThan(await app().untilClosed(path));
    });

    it('R9: a handler that is called again leaves nothing of the calls that failed', async () => {
      expect((await app().request('/retried')).body).toBe('at last');
      await app().untilSettled(3);
      expect([app().names('completed'), app().names('dropped')]).toEqual([
        ['call 3'],
        ['call 1', 'call 2'],
      ]);
    });
  });

  it("P3, R4: an answer that its platform's own hook or template spoils is a failure", async () => {
    const app = await startApp(platform, {
      controllers: [
        routes({
          'GET /spoiled': (tasks) => {
            addEach(tasks);
            return { a: 1 };
          },
        }),
      ],
      configure: (nest) => spoilAnswers(platform, nest.getHttpAdapter().getInstance()),
    });
    expect((await app.request('/spoiled')).status).toBe(500);
    await app.untilSettled(WHENS.length);
    expect(app.names('completed')).toEqual(FAILURE);
  });

  it.each([
    [200, SUCCESS],
    [408, FAILURE],
  ])(
    'P3, P5, R5: a task that is added after a response with %d has closed goes by that status',
    async (status, expected) => {
      const go = new Gate();
      const instead = (): Observable<unknown> =>
        status === 408 ? throwError(() => new RequestTimeoutException()) : of(1);
      class TimeLimit implements NestInterceptor {
        intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
          return next.handle().pipe(timeout({ first: 20, with: instead }));
        }
      }
      const slow = routes({
        'GET /slow': [
          async (tasks) => {
            await go.opened;
            addEach(tasks);
          },
          UseInterceptors(TimeLimit),
        ],
      });
      const app = await startApp(platform, { controllers: [slow] });
      expect((await app.request('/slow')).status).toBe(status);
      await app.untilClosed('/slow');
      go.open();
      await app.untilSettled(WHENS.length);
      expect(app.names('completed')).toEqual(expected);
    },
  );

  it('P3: an application says what a success is, and is asked once for a request', async () => {
    const asked: number[] = [];
    const app = await startApp(platform, {
      controllers: [routes({ 'POST /rpc/:id': addEach, 'GET /untouched': () => ({}) })],
      options: {
        request: {
          succeeded: ({ status, request }) => {
            asked.push(status);
            return (request as { params: { id?: string } }).params.id === 'good';
          },
        },
      },
    });
    await app.request('/untouched');
    await app.request('/rpc/good', { method: 'POST', body: { a: 1 } });
    await app.untilSettled(3);
    await app.request('/rpc/bad', { method: 'POST', body: { a: 1 } });
    await app.untilSettled(6);
    expect(app.names('completed')).toEqual([...SUCCESS, ...FAILURE]);
    expect(asked).toEqual([201, 201]);
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
