import { PassThrough, Readable } from 'node:stream';
import { expect } from '@jest/globals';
import {
  ConflictException,
  Header,
  HttpCode,
  HttpException,
  Injectable,
  Redirect,
  StreamableFile,
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
  type Type,
} from '@nestjs/common';
import { Background, type BackgroundTasks } from 'nestjs-background-tasks';
import { catchError, from, of, throwError, type Observable } from 'rxjs';
import { NEST_MAJOR } from '../support/nest-major.js';
import type { Platform } from '../support/platforms.js';
import { answering, rawOf, routes, touching } from '../support/routes.js';
import { Gate } from '../support/time.js';
import { FAILURE, SUCCESS } from '../support/whens.js';

/** Tasks that every engine takes, one of each kind; the last is in a queue of its own. */
@Injectable()
export class Audit {
  readonly done: string[] = [];

  @Background({ name: 'success' })
  async onSuccess(text = 'success'): Promise<void> {
    this.done.push(text);
  }

  @Background({ name: 'failure', when: 'failure' })
  async onFailure(): Promise<void> {
    this.done.push('failure');
  }

  @Background({ name: 'always', when: 'always', queue: 'local' })
  async onEither(): Promise<void> {
    this.done.push('always');
  }

  async addEach(): Promise<void> {
    await this.onSuccess();
    await this.onFailure();
    await this.onEither();
  }
}

/** Adds one task of each kind, of whichever application handles the request. */
export function add(tasks: BackgroundTasks): void {
  const { onSuccess, onFailure, onEither } = Audit.prototype;
  [onSuccess, onFailure, onEither].forEach((body) => void tasks.addTask(body));
}

@Injectable()
class Refusing implements CanActivate {
  constructor(private readonly audit: Audit) {}

  async canActivate(): Promise<boolean> {
    await this.audit.addEach();
    return false;
  }
}

class Rescuing implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(catchError(() => of('rescued')));
  }
}

const PIECE = Buffer.alloc(64 * 1024, 'x');
export const FIVE_MB = 80 * PIECE.length;

function* pieces(): Generator<Buffer> {
  for (let bytes = 0; bytes < FIVE_MB; bytes += PIECE.length) {
    yield PIECE;
  }
}

async function* breaking(): AsyncGenerator<string> {
  yield 'first ';
  throw new Error('broken');
}

export const adding = (value?: unknown) => (tasks: BackgroundTasks) => {
  add(tasks);
  return value;
};
const throwing = (error: Error) => (tasks: BackgroundTasks) => {
  add(tasks);
  throw error;
};

async function* generator(tasks: BackgroundTasks): AsyncGenerator<string> {
  add(tasks);
  yield 'first ';
  yield 'second';
}

async function* brokenGenerator(tasks: BackgroundTasks): AsyncGenerator<string> {
  add(tasks);
  yield await Promise.reject<string>(new ConflictException());
}

/** What holds up those that answer late. */
export const held = { gate: new Gate() };

/** A route for every kind of response. */
export function kindsController(platform: Platform, ...decorators: ClassDecorator[]): Type {
  return routes(
    {
      'GET /json': adding({ kind: 'json' }),
      'POST /created': adding('created'),
      'GET /text': [adding('text'), Header('Cache-Control', 'max-age=60')],
      'GET /empty': [adding(), HttpCode(204)],
      'HEAD /head': adding(),
      'GET /redirect': [adding(), Redirect('/json', 301)],
      'GET /not-modified': [adding(), HttpCode(304)],
      'GET /partial': [adding('part'), HttpCode(206)],
      'SSE /events': (tasks) => {
        add(tasks);
        return from([{ data: 'one' }, { data: 'two' }]);
      },
      'GET /res': answering((tasks, response) => {
        add(tasks);
        platform.answer(response, { kind: 'res' });
      }),
      'GET /res-later': answering((tasks, response) => {
        add(tasks);
        void held.gate.opened.then(() => platform.answer(response, { kind: 'res-later' }));
      }),
      'GET /raw': answering((tasks, response) => {
        add(tasks);
        const raw = platform.takeOver(response);
        raw.writeHead(202, { 'Content-Type': 'text/plain' });
        raw.write('a ');
        raw.end('body');
        raw.statusCode = 500;
      }),
      'GET /raw-stream': answering((tasks, response) => {
        add(tasks);
        Readable.from(['a ', 'raw ', 'stream']).pipe(platform.takeOver(response));
      }),
      'GET /file': (tasks) => {
        add(tasks);
        return new StreamableFile(Readable.from(['x'.repeat(100_000), 'y'.repeat(100_000)]));
      },
      'GET /large-file': (tasks) => {
        add(tasks);
        return new StreamableFile(Readable.from(pieces(), { objectMode: false }));
      },
      'GET /gated-file': (tasks) => {
        add(tasks);
        const stream = new PassThrough();
        stream.write('first half,');
        void held.gate.opened.then(() => stream.end(' second half'));
        return new StreamableFile(stream);
      },
      'GET /breaks': (tasks) => {
        add(tasks);
        return new StreamableFile(Readable.from(breaking()));
      },
      'GET /generator': generator,
      'GET /broken-generator': brokenGenerator,
      'GET /thrown': throwing(new ConflictException('no')),
      'GET /thrown-303': throwing(new HttpException({}, 303)),
      'GET /rejected': async (tasks) => {
        add(tasks);
        await Promise.reject(new Error('out of order'));
      },
      'GET /bigint': adding({ id: 1n }),
      'GET /own-status': touching((tasks, response) => {
        add(tasks);
        response.status(422);
        return {};
      }),
      'GET /assigned-late': answering((tasks, response) => {
        add(tasks);
        response.send({});
        rawOf(response).statusCode = 500;
      }),
      'GET /added-late': answering((tasks, response) => {
        response.send({});
        rawOf(response).statusCode = 500;
        add(tasks);
      }),
      'SSE /failing-events': (tasks) => {
        add(tasks);
        return throwError(() => new ConflictException());
      },
      'GET /rescued': [throwing(new Error('no')), UseInterceptors(Rescuing)],
      'GET /guarded': [adding(), UseGuards(Refusing)],
    },
    ...decorators,
  );
}

/** What is asked for, its answer, and what runs of one task of each kind. */
type Kind = readonly [asked: string, status: number, body: unknown, ran: readonly string[]];

const like = (text: RegExp): unknown => expect.stringMatching(text);
const ALL: readonly Kind[] = [
  ['GET /json', 200, '{"kind":"json"}', SUCCESS],
  ['POST /created', 201, 'created', SUCCESS],
  ['GET /text', 200, 'text', SUCCESS],
  ['GET /empty', 204, '', SUCCESS],
  ['HEAD /head', 200, '', SUCCESS],
  ['HEAD /json', 200, '', SUCCESS],
  ['GET /redirect', 301, expect.any(String), SUCCESS],
  ['GET /not-modified', 304, '', SUCCESS],
  ['GET /partial', 206, 'part', SUCCESS],
  ['GET /events', 200, like(/data: one[^]*data: two/), SUCCESS],
  ['GET /res', 200, '{"kind":"res"}', SUCCESS],
  ['GET /res-later', 200, '{"kind":"res-later"}', SUCCESS],
  ['GET /raw', 202, 'a body', SUCCESS],
  ['GET /raw-stream', 200, 'a raw stream', SUCCESS],
  ['GET /file', 200, like(/^x+y+$/), SUCCESS],
  ['GET /breaks', 200, expect.any(String), SUCCESS],
  ['GET /generator', 200, 'first second', SUCCESS],
  ['GET /broken-generator', 409, like(/Conflict/), FAILURE],
  ['GET /thrown', 409, like(/Conflict/), FAILURE],
  ['GET /thrown-303', 303, expect.any(String), SUCCESS],
  ['GET /rejected', 500, like(/Internal server error/), FAILURE],
  ['GET /bigint', 500, like(/Internal server error/), FAILURE],
  ['GET /own-status', 422, '{}', FAILURE],
  ['GET /assigned-late', 200, '{}', SUCCESS],
  ['GET /added-late', 200, '{}', SUCCESS],
  ['GET /failing-events', 409, like(/Conflict/), FAILURE],
  ['GET /rescued', 200, 'rescued', SUCCESS],
  ['GET /guarded', 403, like(/Forbidden/), FAILURE],
];

/** Nest 11 knows no handlers that are generators. */
export const KINDS = ALL.filter(([asked]) => NEST_MAJOR >= 12 || !asked.includes('generator'));
