import { describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  SetMetadata,
  UseInterceptors,
  type NestInterceptor,
  type Type,
} from '@nestjs/common';
import { INTERCEPTORS_METADATA, ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { ApplicationConfig, MetadataScanner, type ModulesContainer } from '@nestjs/core';
import { attachCollection } from '../../../lib/intake/find-collection.js';
import { BackgroundTasksInterceptor } from '../../../lib/index.js';
import { HandlerHook } from '../../../lib/request/nest/handler-hook.js';
import { createKit } from '../support/kit.js';

class Other implements NestInterceptor {
  intercept(): never {
    throw new Error('not called');
  }
}

interface Parts {
  readonly controllers?: readonly unknown[];
  readonly providers?: readonly unknown[];
}

const wrappers = (types: readonly unknown[] = []) =>
  new Map(types.map((metatype, index) => [index, { metatype }]));

/** An application of such modules, before anything of it has been made. */
function createHook(...modules: Parts[]) {
  const { release } = createKit();
  const interceptor = new BackgroundTasksInterceptor(release);
  const config = new ApplicationConfig();
  const container = new Map(
    modules.map(({ controllers, providers }, index) => [
      index,
      {
        controllers: wrappers(controllers),
        providers: new Map<unknown, unknown>(wrappers(providers)),
        injectables: new Map<unknown, unknown>(),
      },
    ]),
  );
  const hook = new HandlerHook(
    container as unknown as ModulesContainer,
    new MetadataScanner(),
    config,
    interceptor,
  );
  return { hook, config, interceptor, container, release };
}

const interceptorsOf = (target: object): unknown =>
  Reflect.getMetadata(INTERCEPTORS_METADATA, target);

/** Whether the end of a route is known where Nest calls it, with no interceptor. */
function isFollowed(type: Type, key: string): boolean {
  const { release } = createKit();
  const request = {};
  const collection = release.open(undefined);
  attachCollection(request, collection);
  const known = Reflect.getMetadata(ROUTE_ARGS_METADATA, type, key) as object | undefined;
  const args = Object.keys(known ?? {}).map(() => request);
  (Reflect.get(type.prototype as object, key) as (...all: unknown[]) => unknown).apply(
    new type(),
    args,
  );
  return collection.handler === 'completed';
}

describe('handlers of messages', () => {
  it.each(['microservices:pattern', 'websockets:message_mapping', 'graphql:resolver_type'])(
    'with the mark %s get the interceptor in front of their others, on their class',
    (mark) => {
      @UseInterceptors(Other)
      class Handlers {
        plain(): void {}

        @SetMetadata(mark, 'note')
        handle(): void {}
      }
      class Provider {
        @SetMetadata(mark, 'note')
        handle(): void {}
      }
      createHook({ controllers: [Handlers] }, { providers: [Provider] }).hook.interceptMessages();
      expect(interceptorsOf(Handlers)).toEqual([BackgroundTasksInterceptor, Other]);
      expect(interceptorsOf(Provider)).toEqual([BackgroundTasksInterceptor]);
    },
  );

  it('are sought among all that a module provides, whatever that is', () => {
    class Service {
      work(): void {}

      get broken(): never {
        throw new Error('not for anybody to look at');
      }
    }
    @Controller()
    class Routes {
      @Get()
      get(): void {}
    }
    const values = [undefined, null, () => 'factory', 'value', { prototype: null }, Service];
    createHook({ controllers: [Routes], providers: values }).hook.interceptMessages();
    expect([interceptorsOf(Service), interceptorsOf(Routes)]).toEqual([undefined, undefined]);
  });

  it('find the interceptor of the module that provides it, wherever they are', () => {
    const { hook, container } = createHook({}, {}, {});
    const provider = { metatype: undefined, instance: 'the interceptor' };
    container.get(1)?.providers.set(BackgroundTasksInterceptor, provider);
    hook.interceptMessages();
    for (const { injectables } of container.values()) {
      expect(injectables.get(BackgroundTasksInterceptor)).toBe(provider);
    }
  });
});

describe('routes', () => {
  it('are followed without an interceptor where they have no other', () => {
    @Controller()
    class Routes {
      @Get('one')
      one(): void {}

      @Get('other')
      other(): void {}

      helper(): void {}
    }
    createHook({}, { controllers: [Routes, undefined] }).hook.followRoutes();
    expect(['one', 'other', 'helper'].map((key) => isFollowed(Routes, key))).toEqual([
      true,
      true,
      false,
    ]);
    expect(interceptorsOf(Routes)).toBeUndefined();
  });

  it('have ours in front where the method has others', () => {
    @Controller()
    class Routes {
      @Get('one')
      @UseInterceptors(Other)
      one(): void {}

      @Get('other')
      other(): void {}
    }
    createHook({ controllers: [Routes] }).hook.followRoutes();
    expect(interceptorsOf(Routes.prototype.one)).toEqual([BackgroundTasksInterceptor, Other]);
    expect([isFollowed(Routes, 'one'), isFollowed(Routes, 'other')]).toEqual([false, true]);
  });

  it('have ours in front where the class has others, and are not followed then', () => {
    @Controller()
    @UseInterceptors(Other)
    class Routes {
      @Get()
      one(): void {}
    }
    createHook({ controllers: [Routes] }).hook.followRoutes();
    expect(interceptorsOf(Routes)).toEqual([BackgroundTasksInterceptor, Other]);
    expect(isFollowed(Routes, 'one')).toBe(false);
  });

  it('need nothing on a class without any', () => {
    @UseInterceptors(Other)
    class Gateway {
      @SetMetadata('path', 'only a path')
      work(): void {}

      @SetMetadata('method', 'only a method')
      play(): void {}
    }
    createHook({ controllers: [Gateway] }).hook.followRoutes();
    expect(interceptorsOf(Gateway)).toEqual([Other]);
  });

  it('are left to ours in front of all where there are global ones, which stands there once', () => {
    @Controller()
    class Routes {
      @Get()
      one(): void {}
    }
    const { hook, config, interceptor } = createHook({ controllers: [Routes] });
    const other = new Other();
    config.useGlobalInterceptors(other);
    hook.followRoutes();
    hook.followRoutes();
    expect(config.getGlobalInterceptors()).toEqual([interceptor, other]);
    expect(isFollowed(Routes, 'one')).toBe(false);
  });

  it('are left to ours where global ones are made for each request', () => {
    @Controller()
    class Routes {
      @Get()
      one(): void {}
    }
    const { hook, config, interceptor } = createHook({ controllers: [Routes] });
    config.addGlobalRequestInterceptor({ metatype: Other } as never);
    hook.followRoutes();
    expect(config.getGlobalInterceptors()).toEqual([interceptor]);
    expect(isFollowed(Routes, 'one')).toBe(false);
  });

  it('find the interceptor of the module that provides it', () => {
    const { hook, container } = createHook({}, {});
    const provider = { metatype: undefined };
    container.get(0)?.providers.set(BackgroundTasksInterceptor, provider);
    hook.followRoutes();
    expect(container.get(1)?.injectables.get(BackgroundTasksInterceptor)).toBe(provider);
  });
});
