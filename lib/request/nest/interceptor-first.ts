import { BackgroundTasksInterceptor } from '../background-tasks.interceptor.js';

/** Where `@UseInterceptors()` leaves them, on a class or a method. */
const INTERCEPTORS = '__interceptors__';

/** Whether any interceptors stand on the class or method, or the class it extends. */
export function hasInterceptors(target: object): boolean {
  return interceptorsOf(target).length > 0;
}

/**
 * Puts ours around all others of the class or method: what one of them throws, after the handler has
 * completed, drops its tasks. A transaction that cannot be committed does.
 */
export function putInterceptorFirst(target: object): void {
  const interceptors = interceptorsOf(target);
  if (!interceptors.includes(BackgroundTasksInterceptor)) {
    Reflect.defineMetadata(INTERCEPTORS, [BackgroundTasksInterceptor, ...interceptors], target);
  }
}

function interceptorsOf(target: object): readonly unknown[] {
  return (Reflect.getMetadata(INTERCEPTORS, target) as unknown[] | undefined) ?? [];
}
