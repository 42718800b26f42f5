import {
  All,
  BadRequestException,
  Catch,
  Controller,
  ForbiddenException,
  HttpException,
  Injectable,
  Param,
  UseGuards,
  UseInterceptors,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type INestApplication,
  type NestInterceptor,
  type NestMiddleware,
  type PipeTransform,
} from '@nestjs/common';
import { APP_FILTER, HttpAdapterHost } from '@nestjs/core';
import { Background } from 'nestjs-background-tasks';
import { tap, type Observable } from 'rxjs';
import type { AppSetup } from '../support/root-module.js';

type Next = () => void;

/** Collects one task of each kind, wherever it is called. */
@Injectable()
export class Audit {
  /** What has run: the place it was added at, and its `when`. */
  readonly ran: string[] = [];

  add(place: string): void {
    void this.onSuccess(place);
    void this.onFailure(place);
    void this.onEither(place);
  }

  @Background({ when: 'success' })
  async onSuccess(place: string): Promise<void> {
    this.ran.push(`${place}: success`);
  }

  @Background({ when: 'failure' })
  async onFailure(place: string): Promise<void> {
    this.ran.push(`${place}: failure`);
  }

  @Background({ when: 'always' })
  async onEither(place: string): Promise<void> {
    this.ran.push(`${place}: always`);
  }
}

/** In every place that a request comes by. */
@Injectable()
@Catch()
class Everywhere
  implements NestMiddleware, CanActivate, NestInterceptor, PipeTransform<string>, ExceptionFilter
{
  constructor(
    private readonly audit: Audit,
    private readonly host: HttpAdapterHost,
  ) {}

  use(_request: unknown, _response: unknown, next: Next): void {
    this.audit.add('class middleware');
    next();
  }

  canActivate(context: ExecutionContext): boolean {
    this.audit.add('guard');
    const { params } = context.switchToHttp().getRequest<{ params: { ending?: string } }>();
    return params.ending !== 'refused';
  }

  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    this.audit.add('interceptor, before');
    return next.handle().pipe(
      tap({
        next: () => this.audit.add('interceptor, after'),
        error: () => this.audit.add('interceptor, on error'),
      }),
    );
  }

  transform(value: string): string {
    this.audit.add('pipe');
    if (value === 'malformed') {
      throw new BadRequestException();
    }
    return value;
  }

  catch(error: unknown, host: ArgumentsHost): void {
    this.audit.add('filter');
    const isExcused = error instanceof ForbiddenException && error.message === 'excused';
    const status = error instanceof HttpException && !isExcused ? error.getStatus() : 500;
    const response: unknown = host.switchToHttp().getResponse();
    this.host.httpAdapter.reply(response, { status }, isExcused ? 200 : status);
  }
}

@Controller()
@UseGuards(Everywhere)
@UseInterceptors(Everywhere)
class EndingsController {
  constructor(private readonly audit: Audit) {}

  @All('endings/:ending')
  end(@Param('ending', Everywhere) name: string): string {
    this.audit.add('handler');
    switch (name) {
      case 'broken':
        throw new Error('broken');
      case 'excused':
        throw new ForbiddenException('excused');
      default:
        return 'well done';
    }
  }
}

const MIDDLEWARE = ['app.use()', 'functional middleware', 'class middleware'];
const PIPE = [...MIDDLEWARE, 'guard', 'interceptor, before', 'pipe'];
const THROWN = [...PIPE, 'handler', 'interceptor, on error', 'filter'];

export interface Ending {
  readonly ending: string;
  readonly path: string;
  readonly status: number;
  /** Where the request came by, in this order. */
  readonly places: readonly string[];
}

export const ENDINGS: readonly Ending[] = (
  [
    ['the handler completes', '/endings/well', 200, [...PIPE, 'handler', 'interceptor, after']],
    ['the handler throws', '/endings/broken', 500, THROWN],
    ['it throws, and a filter answers 200 all the same', '/endings/excused', 200, THROWN],
    ['a guard refuses', '/endings/refused', 403, [...MIDDLEWARE, 'guard', 'filter']],
    ['a pipe refuses', '/endings/malformed', 400, [...PIPE, 'interceptor, on error', 'filter']],
    ['there is no such route', '/nowhere', 404, [...MIDDLEWARE, 'filter']],
    ['a middleware answers well', '/answered/204', 204, MIDDLEWARE],
    ['a middleware answers with an error', '/answered/401', 401, MIDDLEWARE],
  ] as const
).map(([name, path, status, places]) => ({ ending: name, path, status, places }));

interface RawResponse {
  writeHead(status: number): { end(): void };
}

/** An application that adds tasks wherever a request comes by. */
export const EVERY_PLACE: AppSetup & { readonly configure: (app: INestApplication) => void } = {
  controllers: [EndingsController],
  providers: [Audit, { provide: APP_FILTER, useClass: Everywhere }],
  middleware: (consumer) =>
    consumer
      .apply(
        (request: { functionalAudit: Audit }, _response: unknown, next: Next) => {
          request.functionalAudit.add('functional middleware');
          next();
        },
        Everywhere,
        (request: { originalUrl: string }, response: RawResponse, next: Next) => {
          const status = /^\/answered\/(\d+)/.exec(request.originalUrl)?.[1];
          if (status === undefined) {
            next();
          } else {
            response.writeHead(Number(status)).end();
          }
        },
      )
      .forRoutes('{*path}'),
  configure: (app) => {
    const audit = app.get(Audit);
    app.use((request: { functionalAudit: Audit }, _response: unknown, next: Next) => {
      // A functional middleware has nothing injected: this one passes it on.
      request.functionalAudit = audit;
      audit.add('app.use()');
      next();
    });
  },
};
