import { expect, it, jest } from '@jest/globals';
import {
  Controller,
  Get,
  Param,
  Post,
  Query,
  UseGuards,
  Version,
  VersioningType,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Background, Tasks, type BackgroundTasks } from 'nestjs-background-tasks';
import { LogBook } from '../support/log-book.js';
import { NEST_MAJOR } from '../support/nest-major.js';
import { onEachPlatform } from '../support/platforms.js';
import { rootModule } from '../support/root-module.js';
import { listen, startApp } from '../support/running-app.js';

class Mailer {
  readonly sent: string[] = [];

  @Background({ when: 'success' })
  async send(email: string): Promise<void> {
    this.sent.push(email);
  }
}

/** All that an application can see of a class. */
function pictureOf(type: { prototype: object }): unknown {
  const prototype = type.prototype as Record<string, object>;
  return Object.getOwnPropertyNames(prototype).map((name) => [
    name,
    Object.getOwnPropertyDescriptor(prototype, name),
    [type, prototype[name]].flatMap((target) =>
      Reflect.getMetadataKeys(target ?? type).map((key: unknown) => [
        key,
        Reflect.getMetadata(key, target ?? type) as unknown,
      ]),
    ),
    Reflect.getMetadataKeys(type, name).map((key: unknown) => [
      key,
      Reflect.getMetadata(key, type, name) as unknown,
    ]),
  ]);
}

onEachPlatform((platform) => {
  it('P20, R1: a guard knows its handlers by identity, on classes that are as they were', async () => {
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

    // Tracers call a route by the name that Nest has given to its callback.
    const routes = get.mock.calls.map(([, callback]) => callback as { name: string });
    const nests = routes.map((route) => Object.getPrototypeOf(route) as { name: string });
    expect(routes.map(({ name }) => name)).toEqual(nests.map(({ name }) => name));
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
    const log = new LogBook();
    const decorated: unknown[] = [];
    const nest = await NestFactory.create(
      rootModule({ controllers: [ListController], providers: [Mailer] }),
      platform.createAdapter(),
      {
        logger: log,
        abortOnError: false,
        instrument: {
          instanceDecorator: (instance: unknown) => {
            decorated.push(instance);
            return instance instanceof ListController ? new Proxy(instance, {}) : instance;
          },
        },
      },
    );
    const spy = jest.spyOn(nest.get(ListController), 'spied');
    const app = await listen(nest, log, {});

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

  it('P20: the adapter is as it was when routes are registered, and versions are heard', async () => {
    @Controller()
    class VersionedController {
      @Version('1') @Get('item') one(@Tasks() tasks: BackgroundTasks): string {
        tasks.addTask({ name: 'one' }, () => undefined);
        return 'one';
      }

      @Version('2') @Get('item') two(): string {
        return 'two';
      }
    }
    const adapter = platform.createAdapter();
    const app = await startApp(
      { ...platform, createAdapter: () => adapter },
      {
        controllers: [VersionedController],
        configure: (nest) =>
          void nest.enableVersioning({ type: VersioningType.HEADER, header: 'x-version' }),
      },
    );
    for (const version of ['one', 'two']) {
      const headers = { 'x-version': version === 'one' ? '1' : '2' };
      const url = `http://127.0.0.1:${app.port}/item`;
      expect(await (await fetch(url, { headers })).text()).toBe(version);
    }
    const verbs = ['get', 'post', 'all', 'setErrorHandler'];
    expect(verbs.filter((verb) => Object.hasOwn(adapter, verb))).toEqual([]);
  });

  it('P20: a route that Nest has not registered is left alone: what it returns is awaited once', async () => {
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

  it('P3, R2: a body that is parsed later does not take the request away from anything behind', async () => {
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
});
