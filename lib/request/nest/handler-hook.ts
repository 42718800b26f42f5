import type { ApplicationConfig, MetadataScanner, ModulesContainer } from '@nestjs/core';
import { BackgroundTasksInterceptor } from '../background-tasks.interceptor.js';
import { followRoute } from './follow-route.js';
import { hasInterceptors, putInterceptorFirst } from './interceptor-first.js';

type Modules = ModulesContainer;
type Type = { readonly prototype?: unknown };

/** What `@MessagePattern()` and `@EventPattern()` leave on a controller's method. */
const PATTERN = 'microservices:pattern';
/** What `@SubscribeMessage()` leaves on a gateway's method. */
const SUBSCRIPTION = 'websockets:message_mapping';
/** What `@Query()`, `@Mutation()` and `@Subscription()` leave on a resolver's method. */
const RESOLVER = 'graphql:resolver_type';

/**
 * Sees to it that the end of every handler is known. Handlers of messages and resolvers get the
 * interceptor: where they have it from the application as well, a message passes two of them, and the
 * tasks of the inner one go to the outer one. HTTP routes get it where there are other interceptors;
 * the others are followed without one.
 */
export class HandlerHook {
  constructor(
    private readonly modules: Modules,
    private readonly scanner: MetadataScanner,
    private readonly config: ApplicationConfig,
    private readonly interceptor: BackgroundTasksInterceptor,
  ) {}

  /** Before any gateway, microservice or schema is made: that is when Nest reads the interceptors. */
  interceptMessages(): void {
    for (const { controllers, providers } of this.modules.values()) {
      // Gateways and resolvers are providers.
      for (const { metatype } of [...controllers.values(), ...providers.values()]) {
        const hasMessages = methodsOf(metatype, this.scanner).some(({ method }) =>
          [PATTERN, SUBSCRIPTION, RESOLVER].some((mark) => Reflect.hasMetadata(mark, method)),
        );
        if (metatype && hasMessages) {
          putInterceptorFirst(metatype);
        }
      }
    }
    this.provideInterceptor();
  }

  /** Before the routes are registered, when all global interceptors are known. */
  followRoutes(): void {
    const others = this.config.getGlobalInterceptors();
    if (others.length > 0 || this.config.getGlobalRequestInterceptors().length > 0) {
      if (!others.includes(this.interceptor)) {
        this.config.useGlobalInterceptors(this.interceptor, ...others.splice(0));
      }
      return;
    }
    for (const { controllers } of this.modules.values()) {
      for (const { metatype } of controllers.values()) {
        if (metatype) {
          this.followRoutesOf(metatype);
        }
      }
    }
    this.provideInterceptor();
  }

  private followRoutesOf(type: Type & object): void {
    const routes = methodsOf(type, this.scanner).filter(({ method }) => isRoute(method));
    if (routes.length > 0 && hasInterceptors(type)) {
      return putInterceptorFirst(type);
    }
    for (const { key, method, prototype } of routes) {
      if (hasInterceptors(method)) {
        putInterceptorFirst(method);
      } else {
        followRoute(type, prototype, key);
      }
    }
  }

  /** Nest looks for an interceptor's instance in the module of the handler. */
  private provideInterceptor(): void {
    const modules = [...this.modules.values()];
    const provider = modules
      .map(({ providers }) => providers.get(BackgroundTasksInterceptor))
      .find((wrapper) => wrapper !== undefined);
    if (provider !== undefined) {
      for (const { injectables } of modules) {
        injectables.set(BackgroundTasksInterceptor, provider);
      }
    }
  }
}

interface Method {
  readonly key: string;
  readonly method: object;
  readonly prototype: object;
}

function methodsOf(type: unknown, scanner: MetadataScanner): Method[] {
  const prototype = (type as Type | null | undefined)?.prototype;
  if (typeof prototype !== 'object' || prototype === null) {
    return [];
  }
  return scanner.getAllMethodNames(prototype).flatMap((key) => {
    const method = (prototype as Record<string, object | undefined>)[key];
    return method === undefined ? [] : [{ key, method, prototype }];
  });
}

function isRoute(method: object): boolean {
  return Reflect.hasMetadata('path', method) && Reflect.hasMetadata('method', method);
}
