import { UseInterceptors } from '@nestjs/common';
import type { MetadataScanner, ModulesContainer } from '@nestjs/core';
import { BackgroundTasksInterceptor } from './background-tasks.interceptor.js';

/** What `@MessagePattern()` and `@EventPattern()` leave on a controller's method. */
const PATTERN = 'microservices:pattern';

/** What `@SubscribeMessage()` leaves on a gateway's method. Gateways are providers. */
const SUBSCRIPTION = 'websockets:message_mapping';

/** Handlers that carry the interceptor: a class may serve several applications. */
const intercepted = new WeakSet<object>();

/**
 * Puts the interceptor on every message handler. The microservices of a hybrid application know
 * nothing of its global interceptors, unless they are connected with `inheritAppConfig`, and before
 * Nest 12 gateways do not either. Where they do, a message passes two of them, and the tasks of the
 * inner one go to the outer one.
 */
export class MessageHook {
  constructor(
    private readonly modules: ModulesContainer,
    private readonly scanner: MetadataScanner,
  ) {}

  /** Before any gateway or microservice is connected: that is when Nest reads their interceptors. */
  install(): void {
    const interceptor = [...this.modules.values()]
      .map(({ providers }) => providers.get(BackgroundTasksInterceptor))
      .find((wrapper) => wrapper !== undefined);
    if (interceptor === undefined) {
      return;
    }
    for (const { controllers, providers, injectables } of this.modules.values()) {
      const handling = [
        ...[...controllers.values()].map(({ metatype }) => this.intercept(metatype, PATTERN)),
        ...[...providers.values()].map(({ metatype }) => this.intercept(metatype, SUBSCRIPTION)),
      ];
      if (handling.includes(true)) {
        // Nest looks for an interceptor's instance in the module of the handler.
        injectables.set(BackgroundTasksInterceptor, interceptor);
      }
    }
  }

  /** @returns whether the class has any message handlers */
  private intercept(metatype: { prototype?: unknown } | null, metadata: string): boolean {
    const prototype = metatype?.prototype;
    if (typeof prototype !== 'object' || prototype === null) {
      return false;
    }
    let isFound = false;
    for (const key of this.scanner.getAllMethodNames(prototype)) {
      const handler = (prototype as Record<string, object>)[key];
      if (handler !== undefined && Reflect.hasMetadata(metadata, handler)) {
        isFound = true;
        if (!intercepted.has(handler)) {
          intercepted.add(handler);
          UseInterceptors(BackgroundTasksInterceptor)(prototype, key, { value: handler });
        }
      }
    }
    return isFound;
  }
}
