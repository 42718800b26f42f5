import { PassThrough, Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import {
  type CallHandler,
  type CanActivate,
  ConflictException,
  Controller,
  Get,
  Head,
  HttpCode,
  Injectable,
  type NestInterceptor,
  NotFoundException,
  Param,
  ParseIntPipe,
  Post,
  Redirect,
  Res,
  Sse,
  StreamableFile,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { type Observable, from } from 'rxjs';
import { Background, type BackgroundTasks, Tasks, type When } from 'nestjs-background-tasks';
import { RawConnection, open, read } from './support/client.js';
import { NEST_MAJOR } from './support/nest-major.js';
import { type Platform, onEachPlatform } from './support/platforms.js';
import { type RunningApp, startApp } from './support/running-app.js';
import { Gate, now } from './support/time.js';

const PIECE = Buffer.alloc(64 * 1024, 'x');
const FIVE_MB = 80 * PIECE.length;

function* pieces(): Generator<Buffer> {
  for (let bytes = 0; bytes < FIVE_MB; bytes += PIECE.length) {
    yield PIECE;
  }
}

interface Start {
  readonly task: string;
  readonly at: number;
}

const containing = (text: RegExp): unknown => expect.stringMatching(text);
const FAILED = ['middleware', 'handler failure'];
const ADDED = ['middleware', 'handler'];

/** What it is, the request, its answer, and the tasks that run, in their order. */
const KINDS: readonly [
  kind: string,
  asked: string,
  status: number,
  body: unknown,
  ran: string[],
][] = [
  ['JSON', 'GET /json', 200, '{"kind":"json"}', ADDED],
  ['a created resource', 'POST /created', 201, 'created', ADDED],
  ['an empty 204', 'GET /empty', 204, '', ADDED],
  ['HEAD', 'HEAD /head', 200, '', ADDED],
  ['HEAD of a GET route', 'HEAD /json', 200, '', ADDED],
  ['a redirect', 'GET /redirect', 302, expect.any(String), ADDED],
  ['@Sse()', 'GET /sse', 200, containing(/data: one[^]*data: two[^]*data: three/), ADDED],
  ['@Res() answered by the framework', 'GET /res', 200, '{"kind":"res"}', ADDED],
  ['@Res() answered later', 'GET /res-later', 200, '{"kind":"res-later"}', ADDED],
  ['@Res() with a raw stream', 'GET /raw-stream', 200, 'a raw stream', ADDED],
  ['a small StreamableFile', 'GET /file', 200, 'a file', ADDED],
  ['an HTTP exception', 'GET /exception', 404, containing(/no such thing/), FAILED],
  ['an unknown exception', 'GET /unknown-exception', 500, containing(/Internal serv/), FAILED],
  ["a guard's 403", 'GET /guarded', 403, containing(/Forbidden/), ['middleware', 'guard']],
  ["a pipe's 400", 'GET /piped/no-number', 400, containing(/Validation failed/), ['middleware']],
  ['404', 'GET /nowhere', 404, containing(/GET \/nowhere/), ['middleware', 'middleware failure']],
];

/** An application with a route for every kind of response, and what its tasks have seen. */
async function startKinds(platform: Platform): Promise<{
  app: RunningApp;
  starts: Start[];
  answerLater: Gate;
}> {
  const starts: Start[] = [];
  const answerLater = new Gate();
  const start = (task: string): void => void starts.push({ task, at: now() });

  @Injectable()
  class Audit {
    @Background({ when: 'always' })
    record(task: string): void {
      start(task);
    }

    @Background({ when: 'failure' })
    recordFailure(task: string): void {
      start(task);
    }
  }

  @Injectable()
  class Refusing implements CanActivate {
    constructor(private readonly audit: Audit) {}

    canActivate(): boolean {
      this.audit.record('guard');
      return false;
    }
  }

  @Controller()
  class KindsController {
    @Get('json')
    json(@Tasks() tasks: BackgroundTasks): object {
      tasks.addTask(start, 'handler');
      return { kind: 'json' };
    }

    @Post('created')
    created(@Tasks() tasks: BackgroundTasks): string {
      tasks.addTask(start, 'handler');
      return 'created';
    }

    @Get('empty')
    @HttpCode(204)
    empty(@Tasks() tasks: BackgroundTasks): void {
      tasks.addTask(start, 'handler');
    }

    @Head('head')
    head(@Tasks() tasks: BackgroundTasks): void {
      tasks.addTask(start, 'handler');
    }

    @Get('redirect')
    @Redirect('/json', 302)
    redirect(@Tasks() tasks: BackgroundTasks): void {
      tasks.addTask(start, 'handler');
    }

    @Sse('sse')
    sse(@Tasks() tasks: BackgroundTasks): Observable<{ data: string }> {
      tasks.addTask(start, 'handler');
      return from([{ data: 'one' }, { data: 'two' }, { data: 'three' }]);
    }

    @Get('res')
    res(@Tasks() tasks: BackgroundTasks, @Res() response: unknown): void {
      tasks.addTask(start, 'handler');
      platform.answer(response, { kind: 'res' });
    }

    @Get('res-later')
    resLater(@Tasks() tasks: BackgroundTasks, @Res() response: unknown): void {
      tasks.addTask(start, 'handler');
      void answerLater.opened.then(() => platform.answer(response, { kind: 'res-later' }));
    }

    @Get('raw-stream')
    rawStream(@Tasks() tasks: BackgroundTasks, @Res() response: unknown): void {
      tasks.addTask(start, 'handler');
      Readable.from(['a ', 'raw ', 'stream']).pipe(platform.takeOver(response));
    }

    @Get('file')
    file(@Tasks() tasks: BackgroundTasks): StreamableFile {
      tasks.addTask(start, 'handler');
      return new StreamableFile(Buffer.from('a file'));
    }

    @Get('large-file')
    largeFile(@Tasks() tasks: BackgroundTasks): StreamableFile {
      tasks.addTask(start, 'handler');
      return new StreamableFile(Readable.from(pieces(), { objectMode: false }));
    }

    @Get('gated-file')
    gatedFile(@Tasks() tasks: BackgroundTasks): StreamableFile {
      tasks.addTask(start, 'handler');
      const stream = new PassThrough();
      stream.write('first half,');
      void answerLater.opened.then(() => stream.end(' second half'));
      return new StreamableFile(stream);
    }

    @Get('exception')
    exception(@Tasks() tasks: BackgroundTasks): void {
      tasks.addTask(start, 'handler');
      tasks.addTask({ when: 'failure' }, start, 'handler failure');
      throw new NotFoundException('no such thing');
    }

    @Get('unknown-exception')
    async unknownException(@Tasks() tasks: BackgroundTasks): Promise<void> {
      tasks.addTask(start, 'handler');
      tasks.addTask({ when: 'failure' }, start, 'handler failure');
      await Promise.reject(new Error('out of order'));
    }

    @Get('guarded')
    @UseGuards(Refusing)
    guarded(@Tasks() tasks: BackgroundTasks): void {
      tasks.addTask(start, 'handler');
    }

    @Get('piped/:number')
    piped(@Tasks() tasks: BackgroundTasks, @Param('number', ParseIntPipe) _number: number): void {
      tasks.addTask(start, 'handler');
    }
  }

  const app = await startApp(platform, {
    controllers: [KindsController],
    providers: [Audit, Refusing],
    middleware: (consumer) =>
      consumer
        .apply((request: { originalUrl: string }, _response: unknown, next: () => void) => {
          const audit = app.nest.get(Audit);
          audit.record('middleware');
          if (request.originalUrl === '/nowhere') {
            audit.recordFailure('middleware failure');
          }
          next();
        })
        .forRoutes('{*path}'),
  });
  return { app, starts, answerLater };
}

onEachPlatform((platform) => {
  it.each(KINDS)(
    'P1: starts the tasks of %s after its response has closed',
    async (_kind, asked, status, body, ran) => {
      const [method = '', path = ''] = asked.split(' ');
      const { app, starts, answerLater } = await startKinds(platform);
      answerLater.open();

      const reply = await app.request(path, { method });
      const closedAt = await app.untilClosed(path);
      await app.untilSettled(app.names('added').length);

      expect(reply).toMatchObject({ status, body });
      expect(starts.map(({ task }) => task)).toEqual(ran);
      for (const { at } of starts) {
        expect(at).toBeGreaterThan(closedAt);
      }
    },
  );

  it('P1: waits for a @Res() response that is sent long after the handler has returned', async () => {
    const { app, starts, answerLater } = await startKinds(platform);

    const reply = app.request('/res-later');
    // The whole life of another request lies between this one's handler and its answer.
    await app.request('/json');
    await app.untilSettled(2);
    expect(app.names('started')).toHaveLength(2);

    answerLater.open();
    await reply;
    await app.untilSettled(4);
    expect(starts).toHaveLength(4);
    expect(starts[2]?.at).toBeGreaterThan(await app.untilClosed('/res-later'));
  });

  it('P1: waits for a stream whose first half has arrived', async () => {
    const { app, starts, answerLater } = await startKinds(platform);

    const response = await open(app.port, '/gated-file');
    await app.request('/json');
    await app.untilSettled(2);
    expect(app.names('started')).toHaveLength(2);

    answerLater.open();
    const { body } = await read(response);
    await app.untilSettled(4);
    expect(body).toBe('first half, second half');
    expect(starts[2]?.at).toBeGreaterThan(await app.untilClosed('/gated-file'));
  });

  it('P1: waits while a client takes its time to read a StreamableFile of 5 MB', async () => {
    const { app, starts } = await startKinds(platform);

    // Not read from, the response stands still as soon as the buffers in between are full.
    const response = await open(app.port, '/large-file');
    response.pause();
    await app.request('/json');
    await app.untilSettled(2);
    expect(app.names('started')).toHaveLength(2);

    let bytes = 0;
    for await (const chunk of response) {
      bytes += (chunk as Buffer).length;
      // One piece in a turn of the event loop, which everything else shares.
      await new Promise(setImmediate);
    }
    // The last of it may wait in the kernel: closed is when the server has handed all of it over.
    const closedAt = await app.untilClosed('/large-file');
    await app.untilSettled(4);
    expect(bytes).toBe(FIVE_MB);
    expect(starts[2]?.at).toBeGreaterThan(closedAt);
  });
});

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
