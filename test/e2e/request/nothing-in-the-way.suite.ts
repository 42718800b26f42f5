import { describe, expect, it, jest } from '@jest/globals';
import {
  ClassSerializerInterceptor,
  Controller,
  Get,
  Inject,
  Param,
  Post,
  Query,
  UseGuards,
  UseInterceptors,
  UsePipes,
  ValidationPipe,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { ExternalContextCreator } from '@nestjs/core';
import {
  Background,
  BackgroundTasks,
  BackgroundTasksInterceptor,
  TaskRunner,
  Tasks,
  type TaskHandle,
} from 'nestjs-background-tasks';
import { NEST_MAJOR } from '../support/nest-major.js';
import { onEachPlatform } from '../support/platforms.js';
import { routes } from '../support/routes.js';
import { startApp } from '../support/running-app.js';

class Mailer {
  readonly sent: string[] = [];

  @Background({ when: 'success' })
  async send(email: string): Promise<void> {
    this.sent.push(email);
  }
}

function metadataOf(target: object, name?: string): unknown[] {
  return Reflect.getMetadataKeys(target, name as string).map((key: unknown) => [
    key,
    Reflect.getMetadata(key, target, name as string) as unknown,
  ]);
}

/** All that an application can see of a class. */
function pictureOf(type: { prototype: object }): unknown {
  const prototype = type.prototype as Record<string, object>;
  return Object.getOwnPropertyNames(prototype).map((name) => [
    name,
    Object.getOwnPropertyDescriptor(prototype, name),
    [type, prototype[name]].flatMap((target) => metadataOf(target ?? type)),
    metadataOf(type, name),
  ]);
}

const mail = (): void => undefined;
const handle = (name: string) => ({
  id: expect.stringMatching(/^[\da-f-]{36}$/),
  name,
  queue: 'default',
  status: 'collected',
});

onEachPlatform((platform) => {
  it('P20, R1: a guard knows handlers by identity; classes and the adapter are as they were', async () => {
    const admins = new Set<unknown>();
    class AdminGuard implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        return !admins.has(context.getHandler());
      }
    }
    @Controller()
    @UseGuards(AdminGuard)
    class AdminController {
      constructor(private readonly mailer: Mailer) {}

      @Get('admin') admin(): string {
        return 'secrets';
      }

      @Get('open') async open(@Query('q') q: string): Promise<string> {
        await this.mailer.send(q);
        return 'open';
      }
    }
    admins.add(AdminController.prototype.admin);
    Object.freeze(AdminController.prototype);
    const before = pictureOf(AdminController);
    const adapter = platform.createAdapter();
    const get = jest.spyOn(
      adapter as unknown as Record<'get', (...args: object[]) => unknown>,
      'get',
    );
    const app = await startApp(
      { ...platform, createAdapter: () => adapter },
      { controllers: [AdminController], providers: [Mailer] },
    );

    expect((await app.request('/admin')).status).toBe(403);
    expect((await app.request('/open?q=ada')).status).toBe(200);
    await app.untilSettled(1);
    expect(app.nest.get(Mailer).sent).toEqual(['ada']);
    expect(pictureOf(AdminController)).toEqual(before);

    const verbs = ['post', 'all', 'setErrorHandler'];
    expect(verbs.filter((verb) => Object.hasOwn(adapter, verb))).toEqual([]);

    // Tracers call a route by the name that Nest has given to its callback.
    const given = get.mock.calls.map(([, callback]) => callback as { name: string });
    const nests = given.map((route) => Object.getPrototypeOf(route) as { name: string });
    expect(given.map(({ name }) => name)).toEqual(nests.map(({ name }) => name));
    expect(
      nests.every((route) => typeof route === 'function' && route !== Function.prototype),
    ).toBe(true);
  });

  it('P20, R2: a handler gets the arguments that it declares, bound, spied on or behind a proxy', async () => {
    const seen: unknown[][] = [];
    @Controller()
    class ListController {
      constructor(private readonly mailer: Mailer) {
        this.list = this.list.bind(this);
      }

      @Get('list')
      async list(@Query('q') q: string, limit = 10, ...others: unknown[]): Promise<string> {
        seen.push([q, limit, ...others]);
        await this.mailer.send(q);
        throw new Error('no');
      }

      @Get('spied') async spied(...given: unknown[]): Promise<string> {
        seen.push(given);
        await this.mailer.send('spied');
        return 'spied';
      }
    }
    let spy: jest.SpiedFunction<() => Promise<string>> | undefined;
    const app = await startApp(
      platform,
      {
        controllers: [ListController],
        providers: [Mailer],
        configure: (nest) => void (spy = jest.spyOn(nest.get(ListController), 'spied')),
      },
      {
        instrument: {
          instanceDecorator: (instance: unknown) =>
            instance instanceof ListController ? new Proxy(instance, {}) : instance,
        },
      },
    );

    expect((await app.request('/list?q=ada')).status).toBe(500);
    expect((await app.request('/spied')).status).toBe(200);
    await app.untilSettled(2);
    expect(seen[0]).toEqual(['ada', 10]);
    expect(seen[1]).not.toContainEqual(expect.objectContaining({ headers: expect.anything() }));
    expect(spy).toHaveBeenCalledTimes(1);
    expect([app.names('dropped'), app.names('completed')]).toEqual([
      ['Mailer.send'],
      ['Mailer.send'],
    ]);
  });

  it('P20: the result of a route that Nest has not registered is awaited once', async () => {
    let runs = 0;
    /** As a query builder does, it runs when somebody waits for it. */
    const query = {
      // oxlint-disable-next-line unicorn/no-thenable -- That is what it is about.
      then: (resolve: (value: unknown) => void): void => {
        runs += 1;
        resolve({ runs });
      },
    };
    const route = (_request: unknown, response: { send?: (body: unknown) => void }): unknown => {
      if (platform.name === 'Fastify') {
        return query;
      }
      void (query as PromiseLike<unknown>).then((body) => response.send?.(body));
      return undefined;
    };
    const app = await startApp(platform, {
      configure: (nest) => {
        const adapter = nest.getHttpAdapter();
        adapter.get('/by-adapter', route as never);
        (adapter.getInstance() as { get(path: string, handler: unknown): void }).get(
          '/by-instance',
          route,
        );
      },
    });
    expect((await app.request('/by-adapter')).body).toBe('{"runs":1}');
    expect((await app.request('/by-instance')).body).toBe('{"runs":2}');
  });

  it('P20: a handler that another library has made answers inside a request, too', async () => {
    class Bot {
      constructor(readonly mailer: Mailer) {}

      async update(): Promise<string> {
        await this.mailer.send('Ann');
        return 'updated';
      }
    }
    let update: (() => Promise<string>) | undefined;
    const app = await startApp(platform, {
      controllers: [routes({ 'GET /webhook': [() => update?.()] })],
      providers: [Mailer],
    });
    const bot = new Bot(app.nest.get(Mailer));
    const creator = app.nest.get(ExternalContextCreator);
    update = creator.create(
      bot,
      bot.update.bind(bot),
      'update',
      '',
      undefined,
      undefined,
      undefined,
      undefined,
      'bot',
    );
    expect((await app.request('/webhook')).body).toBe('updated');
    await app.untilAllSettled();
    expect(app.nest.get(Mailer).sent).toEqual(['Ann']);
  });

  it('P3, R2: a method called behind a body that is parsed later adds to its request', async () => {
    @Controller()
    class BodyController {
      constructor(private readonly mailer: Mailer) {
        this.bound = this.bound.bind(this);
      }

      @Post('post/:email') async post(@Param('email') email: string): Promise<void> {
        await this.mailer.send(email);
        throw new Error('no');
      }

      @Post('bound') async bound(): Promise<void> {
        await this.post('bound');
      }
    }
    const app = await startApp(platform, { controllers: [BodyController], providers: [Mailer] });
    // Nest 11 does not say that a bound method's callback is a route's.
    const paths = NEST_MAJOR < 12 ? ['/post/ada', '/post/bob'] : ['/post/ada', '/bound'];
    for (const path of paths) {
      await app.request(path, { method: 'POST', body: { padding: 'x'.repeat(90_000) } });
    }
    await app.untilSettled(2);
    expect(app.names('dropped')).toEqual(['Mailer.send', 'Mailer.send']);
  });

  // Over messages and GraphQL: test/e2e/contexts.
  describe('pipes and serialisers that look into everything', () => {
    @Controller()
    @UsePipes(
      new ValidationPipe({
        transform: true,
        whitelist: true,
        forbidNonWhitelisted: true,
        validateCustomDecorators: true,
      }),
    )
    @UseInterceptors(ClassSerializerInterceptor)
    class MailController {
      constructor(
        @Inject(TaskRunner) private readonly runner: TaskRunner,
        @Inject(BackgroundTasksInterceptor) private readonly interceptor: object,
      ) {}

      @Post('mail')
      async mail(@Tasks() tasks: BackgroundTasks): Promise<object> {
        const added = tasks.addTask({ name: 'mail' }, mail);
        const last = tasks.chain().addTask({ name: 'last' }, mail);
        return { handle: added, handles: [last], info: await this.runner.list({ name: 'mail' }) };
      }

      @Post('handle')
      handle(@Tasks() tasks: BackgroundTasks): TaskHandle {
        return tasks.addTask({ name: 'mail' }, mail);
      }

      @Post('all')
      all(@Tasks() tasks: BackgroundTasks): object {
        return { tasks, runner: this.runner, interceptor: this.interceptor };
      }
    }

    @Controller('injected')
    class InjectedController {
      constructor(private readonly tasks: BackgroundTasks) {}

      @Post()
      add(): string {
        return this.tasks.addTask({ name: 'injected' }, mail).name;
      }
    }

    it('R3, P20: find data, and the tasks run', async () => {
      const app = await startApp(platform, { controllers: [MailController] });
      const answerTo = async (path: string): Promise<unknown> => {
        const { status, body } = await app.request(path, { method: 'POST' });
        expect(status).toBe(201);
        return JSON.parse(body);
      };
      expect(await answerTo('/mail')).toEqual({
        handle: handle('mail'),
        handles: [handle('last')],
        info: [expect.objectContaining({ ...handle('mail'), args: [] })],
      });
      expect(await answerTo('/handle')).toEqual(handle('mail'));
      expect(await answerTo('/all')).toEqual({ tasks: {}, runner: {}, interceptor: {} });
      await app.untilSettled(3);
      expect(app.names('completed')).toEqual(['mail', 'last', 'mail']);
    });

    it('R3, P20: find data behind a proxy around every object of the container, and the tasks run', async () => {
      const app = await startApp(
        platform,
        { controllers: [MailController, InjectedController] },
        {
          instrument: {
            instanceDecorator: (instance: unknown) =>
              typeof instance === 'object' && instance !== null && !(instance instanceof Map)
                ? new Proxy(instance, { get: (...args) => Reflect.get(...args) as unknown })
                : instance,
          },
        },
      );
      for (const path of ['/mail', '/injected']) {
        expect((await app.request(path, { method: 'POST' })).status).toBe(201);
      }
      await app.untilSettled(3);
      await app.nest.get(TaskRunner).addTask({ name: 'outside' }, mail).whenSettled();
      expect(app.names('completed')).toEqual(['mail', 'last', 'injected', 'outside']);
    });
  });
});
