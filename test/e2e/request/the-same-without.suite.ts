import { expect, it } from '@jest/globals';
import {
  All,
  Body,
  Controller,
  Delete,
  Get,
  Head,
  Header,
  Headers,
  HostParam,
  HttpCode,
  HttpException,
  Ip,
  Module,
  Next,
  Param,
  ParseIntPipe,
  Post,
  Query,
  Redirect,
  Req,
  Res,
  Sse,
  StreamableFile,
  UseGuards,
  UseInterceptors,
  UsePipes,
  ValidationPipe,
  Version,
  VERSION_NEUTRAL,
  VersioningType,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
  type NestInterceptor,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { BackgroundTasksModule } from 'nestjs-background-tasks';
import { from, map, of, type Observable } from 'rxjs';
import { send } from '../support/client.js';
import { onEachPlatform } from '../support/platforms.js';

/** The part of `@nestjs/swagger` that is needed here. It is loaded by name, so that the types of all else compile without it. */
interface Swagger {
  readonly DocumentBuilder: new () => { build(): object };
  readonly SwaggerModule: { createDocument(app: INestApplication, config: object): object };
}

const SWAGGER: string = '@nestjs/swagger';
const { DocumentBuilder, SwaggerModule } = (await import(SWAGGER)) as Swagger;

class Closed implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return context.getHandler() !== KindsController.prototype.guarded;
  }
}

class Wrapping implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((value) => ({ [context.getHandler().name]: value as unknown })));
  }
}

@Controller({ path: 'kinds', version: VERSION_NEUTRAL })
@UseGuards(Closed)
class KindsController {
  @Get('object') object(): object {
    return { a: 1 };
  }

  @Get('observable') observable(): Observable<object> {
    return of({ a: 1 });
  }

  @Get('buffer') buffer(): StreamableFile {
    return new StreamableFile(Buffer.from('file'), { disposition: 'attachment' });
  }

  @Sse('sse') sse(): Observable<{ data: string }> {
    return from([{ data: 'one' }, { data: 'two' }]);
  }

  @Get('redirect') @Redirect('/kinds/object', 307) redirect(): void {}

  @Get('header') @Header('X-Own', 'yes') header(): string {
    return 'header';
  }

  @Get('guarded') guarded(): string {
    return 'secrets';
  }

  @Get('wrapped') @UseInterceptors(Wrapping) wrapped(): number {
    return 1;
  }

  @Get('thrown') thrown(): void {
    throw new Error('no');
  }

  @Get('rejected') async rejected(): Promise<void> {
    throw new HttpException({ own: 'body' }, 499);
  }

  @Get('bigint') bigint(): object {
    return { a: 1n };
  }

  @Get('params/:id') params(
    @Param('id', ParseIntPipe) id: number,
    @Query() query: object,
    @Query('q') q = 'default',
    limit = 10,
    ...others: unknown[]
  ): object {
    return { id, query, q, limit, others };
  }

  @Get('request') request(@Req() request: { method: string }, @Ip() _ip: string): string {
    return request.method;
  }

  @Get('headers') headers(@Headers('x-given') given: string, @HostParam() host: object): object {
    return { given, host };
  }

  @Get('arity') arity(...given: unknown[]): number {
    return given.length;
  }

  @Get('passthrough') passthrough(
    @Res({ passthrough: true }) response: { status(code: number): unknown },
  ): string {
    response.status(202);
    return 'passed';
  }

  @Get('res') res(@Res() response: { send(body: unknown): void }): void {
    response.send({ by: 'hand' });
  }

  @Get('next') next(@Next() next: unknown, @Res({ passthrough: true }) _response: unknown): string {
    return typeof next;
  }

  @Post('body') @UsePipes(new ValidationPipe({ transform: true })) body(
    @Body() body: object,
  ): object {
    return body;
  }

  @Delete('delete') @HttpCode(204) delete(): void {}

  @Head('head') @Header('X-Own', 'head') head(): void {}

  @All('all') all(@Req() request: { method: string }): string {
    return request.method;
  }
}

@Controller({ path: 'versioned', version: ['1', '2'] })
class VersionedController {
  @Get() both(): string {
    return 'one or two';
  }

  @Get() @Version('3') three(): string {
    return 'three';
  }
}

@Controller({ path: 'hosted', host: ':tenant.example.com' })
class HostedController {
  @Get() hosted(@HostParam('tenant') tenant: string): string {
    return tenant;
  }
}

const CONTROLLERS = [HostedController, VersionedController, KindsController];

const GETS = Object.getOwnPropertyNames(KindsController.prototype)
  .filter((name) => !['constructor', 'params'].includes(name))
  .map((name) => `GET /kinds/${name}`);
const REQUESTS = [
  ...GETS,
  'HEAD /kinds/object',
  'HEAD /kinds/head',
  'POST /kinds/body',
  'POST /kinds/all',
  'DELETE /kinds/delete',
  'GET /kinds/params/7?q=a&r=b',
  'GET /kinds/params/x',
  'GET /versioned',
  'GET /hosted',
  'GET /nowhere',
  'POST /nowhere',
];

onEachPlatform((platform) => {
  async function answers(hasModule: boolean): Promise<unknown[]> {
    @Module({
      imports: hasModule ? [BackgroundTasksModule.forRoot()] : [],
      controllers: CONTROLLERS,
    })
    class RootModule {}
    const app = await NestFactory.create(RootModule, platform.createAdapter(), { logger: false });
    app.enableVersioning({ type: VersioningType.HEADER, header: 'x-version' });
    const document = SwaggerModule.createDocument(app, new DocumentBuilder().build());
    await app.listen(0, '127.0.0.1');
    const { port } = (app.getHttpServer() as { address(): { port: number } }).address();
    const found: unknown[] = [document];
    for (const version of ['1', '3']) {
      for (const asked of REQUESTS) {
        const [method = '', path = ''] = asked.split(' ');
        const body = method === 'POST' ? { a: 1 } : undefined;
        const headers = { 'x-version': version, 'x-given': 'given', host: 'acme.example.com' };
        const reply = await send(port, path, { method, headers, ...(body && { body }) });
        const { date: _date, ...others } = reply.headers;
        found.push([asked, version, reply.status, others, reply.body]);
      }
    }
    await app.close();
    return found;
  }

  it('P20: with the module and without, every kind of route has the same answer and Swagger document', async () => {
    const without = await answers(false);
    expect(await answers(true)).toEqual(without);
    // Nothing of the module is left behind.
    expect(await answers(false)).toEqual(without);
    expect(without).toHaveLength(1 + 2 * REQUESTS.length);
    const [document] = without as [{ paths: object }];
    expect(Object.keys(document.paths).length).toBeGreaterThan(20);
  });
});
