import { UseInterceptors } from '@nestjs/common';
import type { MetadataScanner, ModulesContainer } from '@nestjs/core';
import { BackgroundTasksInterceptor } from './background-tasks.interceptor.js';

/** What `@MessagePattern()` and `@EventPattern()` leave on a method. */
const PATTERN = 'microservices:pattern';

/** Handlers that carry the interceptor: a class may serve several applications. */
const intercepted = new WeakSet<object>();

/**
 * Puts the interceptor on every message handler. The microservices of a hybrid application know
 * nothing of its global interceptors, unless they are connected with `inheritAppConfig`. Where they
 * do, a message passes two of them, and the tasks of the inner one go to the outer one.
 */
export class MessageHook {
  constructor(
    private readonly modules: ModulesContainer,
    private readonly scanner: MetadataScanner,
  ) {}

  /** Before any microservice is connected: that is when Nest reads the interceptors of handlers. */
  install(): void {
    const interceptor = [...this.modules.values()]
      .map(({ providers }) => providers.get(BackgroundTasksInterceptor))
      .find((wrapper) => wrapper !== undefined);
    for (const { controllers, injectables } of this.modules.values()) {
      for (const { metatype } of controllers.values()) {
        if (interceptor !== undefined && this.intercept(metatype?.prototype)) {
          // Nest looks for an interceptor's instance in the module of the handler.
          injectables.set(BackgroundTasksInterceptor, interceptor);
        }
      }
    }
  }

  /** @returns whether a controller's prototype has any message handlers */
  private intercept(prototype: unknown): boolean {
    if (typeof prototype !== 'object' || prototype === null) {
      return false;
    }
    let isFound = false;
    for (const key of this.scanner.getAllMethodNames(prototype)) {
      const handler = (prototype as Record<string, object>)[key];
      if (handler !== undefined && Reflect.hasMetadata(PATTERN, handler)) {
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
